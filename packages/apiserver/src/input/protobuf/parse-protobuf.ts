// Request bodies in Kubernetes' protobuf envelope, as values of the same shape that JSON gives
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding).

import { StatusError } from "@vivarium/api";
import { messages, type FieldType, type Message } from "./messages.ts";
import { readFields, type WireField } from "./wire.ts";

export const protobufMediaType = "application/vnd.kubernetes.protobuf";

const magic = Buffer.from("k8s\0");
const decoder = new TextDecoder("utf-8", { fatal: true });

const envelope: Message = {
  1: ["typeMeta", { 1: ["apiVersion", "string"], 2: ["kind", "string"] }],
  2: ["raw", "bytes"],
};

type Fields = Record<string, unknown>;

export function parseProtobuf(body: Uint8Array): unknown {
  if (!magic.equals(body.subarray(0, magic.length)))
    throw new SyntaxError("the protobuf envelope does not begin with k8s\\0");
  const { typeMeta, raw } = readMessage(body.subarray(magic.length), envelope);
  const { apiVersion = "", kind = "" } = (typeMeta ?? {}) as Partial<Record<string, string>>;
  const message = messages[`${apiVersion}/${kind}`];
  if (message === undefined)
    throw new StatusError(
      "UnsupportedMediaType",
      `the body of the request is ${apiVersion}/${kind} as protobuf, which is taken for core kinds only - accepted media types include: application/json, application/yaml`,
    );
  return { apiVersion, kind, ...readMessage(Buffer.from((raw as string | undefined) ?? "", "base64"), message) };
}

/** Go writes empty strings and zeros where JSON has nothing: they are left out. */
function readMessage(bytes: Uint8Array, message: Message): Fields {
  const fields: Fields = {};
  for (const field of readFields(bytes)) {
    const known = message[field.number];
    if (known === undefined) continue;
    const [name, type] = known;
    if (typeof type === "object" && Array.isArray(type))
      addRepeated(fields, { name, type: type as ["list" | "map", FieldType] }, field);
    else {
      const value = readValue(field, type);
      if (value !== undefined && value !== "" && value !== 0) fields[name] = value;
    }
  }
  return fields;
}

function addRepeated(
  fields: Fields,
  { name, type: [form, content] }: { readonly name: string; readonly type: readonly ["list" | "map", FieldType] },
  field: WireField,
): void {
  if (form === "list") {
    const list = (fields[name] ??= []) as unknown[];
    list.push(readValue(field, content));
    return;
  }
  const { key = "", value } = readMessage(bytesOf(field), { 1: ["key", "string"], 2: ["value", content] });
  const map = (fields[name] ??= {}) as Fields;
  Object.defineProperty(map, key as string, {
    value: value ?? "",
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

function readValue(field: WireField, type: FieldType): unknown {
  switch (type) {
    case "string":
      return decoder.decode(bytesOf(field));
    case "bytes":
      return Buffer.from(bytesOf(field)).toString("base64");
    case "integer":
      return Number(numberOf(field));
    case "boolean":
      return numberOf(field) !== 0n;
    case "quantity":
      return readMessage(bytesOf(field), { 1: ["text", "string"] })["text"] ?? "0";
    case "time":
    case "microtime":
      return readTime(bytesOf(field), type);
    default:
      return readMessage(bytesOf(field), type as Message);
  }
}

/** Undefined for Go's zero time. */
function readTime(bytes: Uint8Array, precision: "time" | "microtime"): string | undefined {
  const { seconds = 0, nanos = 0 } = readMessage(bytes, { 1: ["seconds", "integer"], 2: ["nanos", "integer"] }) as {
    seconds?: number;
    nanos?: number;
  };
  if (seconds === 0) return undefined;
  if (Math.abs(seconds) > 8e12) throw new RangeError("a protobuf time is out of range");
  const whole = new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "");
  if (precision === "time") return `${whole}Z`;
  return `${whole}.${String(Math.trunc(nanos / 1000)).padStart(6, "0")}Z`;
}

function bytesOf({ value }: WireField): Uint8Array {
  if (typeof value === "bigint") throw new SyntaxError("a protobuf field is a number, expected bytes");
  return value;
}

function numberOf({ value }: WireField): bigint {
  if (typeof value !== "bigint") throw new SyntaxError("a protobuf field is bytes, expected a number");
  return value;
}
