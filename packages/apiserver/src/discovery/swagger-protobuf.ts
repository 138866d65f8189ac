// An OpenAPI v2 document in the protobuf form that client-go asks for; it takes no other. The messages are gnostic's
// (https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto), as far as the documents of this server go.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { JsonObject } from "./swagger.ts";

export function encodeSwagger(document: JsonObject): Uint8Array {
  return encode(document, documentMessage);
}

type Encode = (value: unknown) => Uint8Array;

/** How a field's value is written: as a number, or as bytes that are one message or text. */
type FieldType = "boolean" | "integer" | "double" | Encode;

interface Field {
  readonly number: number;
  readonly type: FieldType;
  /** One field for each item of a list. */
  readonly isRepeated?: boolean;
}

interface Message {
  readonly fields: Readonly<Record<string, Field>>;
  /** The field that takes what begins with `x-`. */
  readonly extensions: number;
}

const encoder = new TextEncoder();
const text: Encode = (value) => encoder.encode(String(value));

const one = (number: number, type: FieldType): Field => ({ number, type });
const many = (number: number, type: FieldType): Field => ({ number, type, isRepeated: true });

/** gnostic's Any holds YAML, which JSON is. */
const anything: Encode = (value) => written((out) => putBytes(out, 2, encoder.encode(JSON.stringify(value))));

function written(write: (out: BinaryWriter) => void): Uint8Array {
  const out = new BinaryWriter();
  write(out);
  return out.finish();
}

function putBytes(out: BinaryWriter, number: number, bytes: Uint8Array): void {
  out.tag(number, WireType.LengthDelimited).bytes(bytes);
}

/** A message that has nothing but one field. */
function wrapped(number: number, inner: Encode): Encode {
  return (value) => written((out) => putBytes(out, number, inner(value)));
}

/** A map, as named values in a repeated field. */
function named(number: number, inner: Encode): Encode {
  return (value) =>
    written((out) => {
      for (const entry of Object.entries(value as JsonObject)) putBytes(out, number, pair(entry, inner));
    });
}

function pair([name, value]: [string, unknown], inner: Encode): Uint8Array {
  return written((out) => {
    putBytes(out, 1, text(name));
    putBytes(out, 2, inner(value));
  });
}

function encode(value: unknown, { fields, extensions }: Message): Uint8Array {
  return written((out) => {
    for (const entry of Object.entries(value as JsonObject)) {
      const [name, content] = entry;
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
      if (field !== undefined)
        for (const each of field.isRepeated === true ? (content as unknown[]) : [content]) put(out, field, each);
      else if (name.startsWith("x-")) putBytes(out, extensions, pair(entry, anything));
    }
  });
}

function put(out: BinaryWriter, { number, type }: Field, value: unknown): void {
  switch (type) {
    case "boolean":
      out.tag(number, WireType.Varint).bool(value === true);
      return;
    case "integer":
      out.tag(number, WireType.Varint).int64(Number(value));
      return;
    case "double":
      out.tag(number, WireType.Bit64).double(Number(value));
      return;
    default:
      putBytes(out, number, type(value));
  }
}

const schema: Encode = (value) => encode(value, schemaMessage);

const additionalProperties: Encode = (value) =>
  typeof value === "boolean"
    ? written((out) => out.tag(2, WireType.Varint).bool(value))
    : written((out) => putBytes(out, 1, schema(value)));

const schemaMessage: Message = {
  fields: {
    $ref: one(1, text),
    format: one(2, text),
    title: one(3, text),
    description: one(4, text),
    default: one(5, anything),
    multipleOf: one(6, "double"),
    maximum: one(7, "double"),
    exclusiveMaximum: one(8, "boolean"),
    minimum: one(9, "double"),
    exclusiveMinimum: one(10, "boolean"),
    maxLength: one(11, "integer"),
    minLength: one(12, "integer"),
    pattern: one(13, text),
    maxItems: one(14, "integer"),
    minItems: one(15, "integer"),
    uniqueItems: one(16, "boolean"),
    maxProperties: one(17, "integer"),
    minProperties: one(18, "integer"),
    required: many(19, text),
    enum: many(20, anything),
    additionalProperties: one(21, additionalProperties),
    type: one(22, wrapped(1, text)),
    items: one(23, wrapped(1, schema)),
    properties: one(25, named(1, schema)),
  },
  extensions: 31,
};

const bodyMessage: Message = {
  fields: { name: one(2, text), in: one(3, text), required: one(4, "boolean"), schema: one(5, schema) },
  extensions: 6,
};

const queryMessage: Message = {
  fields: {
    required: one(1, "boolean"),
    in: one(2, text),
    name: one(4, text),
    type: one(6, text),
    uniqueItems: one(20, "boolean"),
  },
  extensions: 23,
};

const pathMessage: Message = {
  fields: {
    required: one(1, "boolean"),
    in: one(2, text),
    name: one(4, text),
    type: one(5, text),
    uniqueItems: one(19, "boolean"),
  },
  extensions: 22,
};

const parameter: Encode = wrapped(1, (value) => {
  const { in: place } = value as { readonly in: string };
  if (place === "body") return wrapped(1, (body) => encode(body, bodyMessage))(value);
  const [number, message] = place === "query" ? ([3, queryMessage] as const) : ([4, pathMessage] as const);
  return wrapped(
    2,
    wrapped(number, (plain) => encode(plain, message)),
  )(value);
});

const responseMessage: Message = {
  fields: { description: one(1, text), schema: one(2, wrapped(1, schema)) },
  extensions: 5,
};

const operationMessage: Message = {
  fields: {
    operationId: one(5, text),
    parameters: many(8, parameter),
    responses: one(
      9,
      named(
        1,
        wrapped(1, (value) => encode(value, responseMessage)),
      ),
    ),
  },
  extensions: 13,
};

const operation: Encode = (value) => encode(value, operationMessage);

const pathItemMessage: Message = {
  fields: {
    get: one(2, operation),
    put: one(3, operation),
    post: one(4, operation),
    delete: one(5, operation),
    patch: one(8, operation),
    parameters: many(9, parameter),
  },
  extensions: 10,
};

const documentMessage: Message = {
  fields: {
    swagger: one(1, text),
    info: one(2, (value) => encode(value, { fields: { title: one(1, text), version: one(2, text) }, extensions: 7 })),
    paths: one(
      8,
      named(2, (value) => encode(value, pathItemMessage)),
    ),
    definitions: one(9, named(1, schema)),
  },
  extensions: 16,
};
