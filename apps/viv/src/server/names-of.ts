// A list of names in a message that must stay short.

/** The first `most` of them, and how many there are besides. */
export function namesOf(names: readonly string[], most: number): string {
  const left = names.length - most;
  return `${names.slice(0, most).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}
