// Equality of CEL values: deep, and numbers by what they count.

export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  // eslint-disable-next-line eqeqeq -- 1n and 1 are the same number in CEL
  if (isNumber(a) && isNumber(b)) return a == b;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && isSameList(a, b);
  if (a instanceof Map) return b instanceof Map && isSameMap(a, b);
  if (a.constructor !== b.constructor) return false;
  // Timestamps and durations.
  if (typeof a.valueOf() === "number") return a.valueOf() === b.valueOf();
  return isSameMap(new Map(Object.entries(a)), new Map(Object.entries(b)));
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
}

function isSameMap(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && isEqual(value, b.get(key)));
}
