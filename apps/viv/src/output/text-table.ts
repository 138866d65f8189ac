// Columns as kubectl prints them: upper-case header, three spaces between, no rulers.

export function textTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header.map((cell) => cell.toUpperCase()), ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}
