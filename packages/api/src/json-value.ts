// Copies of objects and their comparison, as the JSON that they are: the server and the controllers do both for each write, and what is there
// for any JavaScript value costs several times as much.

/** A copy that shares nothing with it. For what came from JSON, or could be written as such. */
export function copyJson<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  // The spread takes a field that is named `__proto__` for what it is; after that it is an own one, and may be set.
  const copy: Record<string, unknown> = { ...value };
  for (const name in copy) {
    const child = copy[name];
    if (typeof child === "object" && child !== null) copy[name] = copyOf(child);
  }
  return copy;
}

/** Whether both are the same in JSON, whatever the order of their fields; one that is undefined does not exist. */
export function isSameJson(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item, index) => isSameJson(item, other[index]));
  }
  return hasFieldsOf(one, other) && hasFieldsOf(other, one, isThere);
}

function hasFieldsOf(
  fields: object,
  object: object,
  isSame: (one: unknown, other: unknown) => boolean = isSameJson,
): boolean {
  for (const name of Object.keys(fields)) {
    const wanted = (fields as Record<string, unknown>)[name];
    if (wanted === undefined) continue;
    const found = Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined;
    if (!isSame(wanted, found)) return false;
  }
  return true;
}

function isThere(_one: unknown, other: unknown): boolean {
  return other !== undefined;
}
