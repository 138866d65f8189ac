// A field that should be a string, for a table's cell: what is not one shows as nothing.

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
