// RFC 6902, by the library, with Kubernetes' answers: a patch that is not one is 400, one that does not fit the object is 422.

import { isDeepStrictEqual } from "node:util";
import { StatusError } from "@vivarium/api";
import { applyPatch, Pointer, type Operation } from "rfc6902";
import { badRequest } from "../errors.ts";

const operations: ReadonlySet<unknown> = new Set(["add", "remove", "replace", "move", "copy", "test"]);
const maxOperations = 10_000;

export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest("the JSON patch is not an array of operations");
  if (patch.length > maxOperations)
    throw new StatusError(
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  patch.forEach((operation, index) => assertOperation(operation, index));
  // A holder, so that operations on the whole document (path "") take effect.
  const holder = { object: structuredClone(target) };
  for (const operation of patch as Operation[]) apply(holder, operation);
  return holder.object;
}

function apply(holder: object, operation: Operation): void {
  const moved = {
    ...structuredClone(operation),
    path: `/object${operation.path}`,
    ...("from" in operation && { from: `/object${operation.from}` }),
  } as Operation;
  if (!isInside(holder, moved.path) || ("from" in moved && !isInside(holder, moved.from)))
    throw rejected(operation, "the path does not exist");
  if (moved.op === "test") {
    // The library would put both values into its message, and not every value can be turned into text.
    if (!isDeepStrictEqual(Pointer.fromJSON(moved.path).get(holder), moved.value))
      throw rejected(operation, "the value found is another one");
    return;
  }
  const [error] = applyPatch(holder, [moved]);
  if (error !== null && error !== undefined) throw rejected(operation, error.message, error);
}

/** The library follows inherited names too (`/spec/disks/map/x` is Array.prototype.map): only what the object itself has counts. */
function isInside(root: object, path: string): boolean {
  const tokens = Pointer.fromJSON(path).tokens.slice(1);
  const last = tokens.pop() ?? "";
  let parent: unknown = root;
  for (const token of tokens) {
    if (typeof parent !== "object" || parent === null || !Object.hasOwn(parent, token)) return false;
    parent = (parent as Record<string, unknown>)[token];
  }
  if (typeof parent !== "object" || parent === null) return false;
  return Array.isArray(parent) ? last === "-" || /^(0|[1-9]\d{0,8})$/.test(last) : last !== "__proto__";
}

function rejected(operation: Operation, why: string, cause?: unknown): StatusError {
  return new StatusError(
    "Invalid",
    `the server rejected our request due to an error in our request: JSON patch operation ${operation.op} ${JSON.stringify(operation.path)}: ${why}`,
    { cause },
  );
}

function assertOperation(operation: unknown, index: number): void {
  const fields = (typeof operation === "object" && operation !== null ? operation : {}) as Record<string, unknown>;
  const { op, path, from } = fields;
  const needsFrom = op === "move" || op === "copy";
  const needsValue = op === "add" || op === "replace" || op === "test";
  const isValid =
    operations.has(op) &&
    isPointer(path) &&
    (!needsFrom || isPointer(from)) &&
    (!needsValue || Object.hasOwn(fields, "value"));
  if (isValid) return;
  throw badRequest(
    `JSON patch operation ${index} is not valid: found ${JSON.stringify(operation).slice(0, 200)}, expected op, path and value or from`,
  );
}

function isPointer(value: unknown): value is string {
  return typeof value === "string" && (value === "" || value.startsWith("/"));
}
