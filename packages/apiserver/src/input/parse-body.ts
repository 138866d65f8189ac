// Request bodies as values: JSON, YAML or, for core kinds, protobuf, within limits that keep later recursion safe.

import { StatusError, type ApiRequest } from "@vivarium/api";
import { parseDocument } from "yaml";
import { badRequest } from "../errors.ts";
import { parseProtobuf, protobufMediaType } from "./protobuf/parse-protobuf.ts";

export const maxBodyBytes = 3 * 1024 * 1024;
const maxDepth = 200;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The media type without parameters; JSON when the header is missing. */
export function mediaTypeOf(request: ApiRequest): string {
  const header = request.headers["content-type"] ?? "";
  return header.split(";")[0]?.trim().toLowerCase() || "application/json";
}

/** The body by its content type; undefined when it is empty. */
export function parseBody(request: ApiRequest): unknown {
  assertBodySize(request);
  if (request.body.length === 0) return undefined;
  const type = mediaTypeOf(request);
  switch (type) {
    case "application/json":
      return parseJson(request.body);
    case protobufMediaType:
      return checked(() => parseProtobuf(request.body));
    case "application/yaml":
    case "text/yaml":
    case "application/x-yaml":
      return parseYaml(request.body);
    default:
      throw new StatusError(
        "UnsupportedMediaType",
        `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, application/yaml`,
      );
  }
}

export function assertBodySize(request: ApiRequest): void {
  if (request.body.length <= maxBodyBytes) return;
  throw new StatusError("RequestEntityTooLarge", `Request entity too large: limit is ${maxBodyBytes}`);
}

export function parseJson(body: Uint8Array): unknown {
  return checked(() => JSON.parse(decoder.decode(body)) as unknown);
}

export function parseYaml(body: Uint8Array): unknown {
  return checked(() => {
    const text = decoder.decode(body);
    const json = parseIfJson(text);
    if (json !== undefined) return json;
    const document = parseDocument(text, { logLevel: "silent" });
    if (document.errors[0] !== undefined) throw document.errors[0];
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    // Dates, NaN and the like have no place in JSON; aliases become copies.
    return value === undefined ? null : (JSON.parse(JSON.stringify(value)) as unknown);
  });
}

/** JSON is YAML, and what most clients send as such; its own parser is many times faster. */
function parseIfJson(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checked(parse: () => unknown): unknown {
  let value: unknown;
  try {
    value = parse();
  } catch (cause) {
    if (cause instanceof StatusError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StatusError("BadRequest", `couldn't read the request body: ${why}`, { cause });
  }
  assertSafe(value);
  return value;
}

/** What later recursion may take. `__proto__` as a key would change what copies of the object inherit. */
function assertSafe(value: unknown, depth = 0): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > maxDepth) throw badRequest(`the request body is nested more than ${maxDepth} levels deep`);
  if (Array.isArray(value)) {
    for (const item of value) assertSafe(item, depth + 1);
    return;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    if (name === "__proto__") throw badRequest('the field name "__proto__" is not allowed');
    assertSafe(fields[name], depth + 1);
  }
}
