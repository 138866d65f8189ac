// Syntax is checked by whoever reads it: a pattern, a path, an expression.

/** The first line of what `read` throws; undefined when it does not. */
export function problemOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    return firstLine(error);
  }
}

/** Some libraries draw the text below their message. */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]?.trim() ?? text;
}
