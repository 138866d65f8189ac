// Numbers of bytes for people.

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `0 B`, `512 MiB`, `1.4 GiB`: at most one decimal. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const rounded = unit > 0 && value < 10 ? Math.round(value * 10) / 10 : Math.round(value);
  return `${rounded} ${units[unit] ?? ""}`;
}
