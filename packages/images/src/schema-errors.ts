// Turns a validator's list of everything that did not match into the few things that a person has to change.
//
// With alternatives (`oneOf`), each one that does not fit reports why, and most of that is noise. The deepest errors come
// from the alternative that fits best: those are kept, and what several say of one place is put into one sentence.

import type { ErrorObject } from "ajv";

export type PathSegment = string | number;

export interface ExplainedError {
  readonly path: readonly PathSegment[];
  readonly message: string;
}

export function explainErrors(errors: readonly ErrorObject[], root: unknown): readonly ExplainedError[] {
  const byPath = new Map<string, { path: readonly PathSegment[]; errors: ErrorObject[] }>();
  for (const error of errors) {
    const path = pathOf(error, root);
    const key = JSON.stringify(path);
    const group = byPath.get(key) ?? { path, errors: [] };
    group.errors.push(error);
    byPath.set(key, group);
  }
  const groups = [...byPath.values()];
  const deepest = groups.filter(
    ({ path }) => !groups.some((other) => other.path.length > path.length && isPrefix(path, other.path)),
  );
  return deepest.map(({ path, errors }) => ({ path, message: explain(errors) }));
}

function isPrefix(path: readonly PathSegment[], of: readonly PathSegment[]): boolean {
  return path.every((segment, index) => segment === of[index]);
}

/** An unknown key is an error of that key, not of the object that has it. */
function pathOf(error: ErrorObject, root: unknown): readonly PathSegment[] {
  const path: PathSegment[] = [];
  let value = root;
  for (const part of error.instancePath.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    path.push(Array.isArray(value) ? Number(key) : key);
    value = (value as Record<string, unknown> | undefined)?.[key];
  }
  if (error.keyword === "additionalProperties") path.push(String(error.params["additionalProperty"]));
  return path;
}

function explain(errors: readonly ErrorObject[]): string {
  const unknownKey = errors.find((error) => error.keyword === "additionalProperties");
  if (unknownKey !== undefined) return unknownKeyMessage(unknownKey);
  const wanted = new Set<string>();
  for (const error of errors) {
    const text = wantedBy(error);
    if (text !== undefined) wanted.add(text);
  }
  const found = `is ${describeValue(errors[0]?.data)}`;
  if (wanted.size === 0) return `${found}, which ${errors[0]?.message ?? "is not allowed"}`;
  return `${found}, expected ${[...wanted].join(" or ")}`;
}

function wantedBy(error: ErrorObject): string | undefined {
  const { keyword, params } = error;
  switch (keyword) {
    case "type":
      return [params["type"] as string | string[]].flat().map(typeName).join(" or ");
    case "enum":
      return (params["allowedValues"] as readonly unknown[]).map((value) => JSON.stringify(value)).join(" or ");
    case "const":
      return JSON.stringify(params["allowedValue"]);
    case "required":
      return `the key ${JSON.stringify(params["missingProperty"])} in it`;
    case "pattern":
      return `a match of ${String(params["pattern"])}`;
    case "minItems":
      return `at least ${String(params["limit"])} entries`;
    case "maxItems":
      return `at most ${String(params["limit"])} entries`;
    case "minProperties":
      return `at least ${String(params["limit"])} keys`;
    case "minimum":
      return `at least ${String(params["limit"])}`;
    case "maximum":
      return `at most ${String(params["limit"])}`;
    case "minLength":
      return "some text";
    case "uniqueItems":
      return "no entry twice";
    default:
      return undefined; // oneOf and its like: what their alternatives want is said by others
  }
}

function unknownKeyMessage(error: ErrorObject): string {
  const key = String(error.params["additionalProperty"]);
  const known = Object.keys((error.parentSchema?.["properties"] ?? {}) as object);
  const near = known.filter((name) => editDistance(name, key) <= Math.max(1, Math.floor(key.length / 4)));
  const hint = near.length > 0 ? `; did you mean ${near.join(" or ")}?` : "";
  return `unknown key, which cloud-init would ignore${hint}`;
}

const typeNames: Readonly<Record<string, string>> = {
  array: "a list",
  object: "keys with values",
  string: "a string",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  null: "nothing",
};

function typeName(type: string): string {
  return typeNames[type] ?? type;
}

function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (value instanceof Date) return "a date (quote it to make it a string)";
  switch (typeof value) {
    case "object":
      return "keys with values";
    case "string":
      return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
    case "number":
      return `the number ${value}`;
    case "boolean":
      return String(value);
    default:
      return typeof value;
  }
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
