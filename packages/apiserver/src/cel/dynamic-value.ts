// JSON as CEL sees it when no schema says more: whole numbers are ints, objects are maps.

export function toDynamic(value: unknown): unknown {
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toDynamic);
  if (typeof value !== "object" || value === null) return value ?? null;
  return new Map(Object.entries(value).flatMap(([key, each]) => (each === undefined ? [] : [[key, toDynamic(each)]])));
}

/** The longest list, map or text in a value: what one loop over any part of it can take. */
export function longest(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (Array.isArray(value)) return value.reduce<number>((most, each) => Math.max(most, longest(each)), value.length);
  if (!(value instanceof Map)) return 1;
  return [...value.values()].reduce<number>((most, each) => Math.max(most, longest(each)), value.size);
}
