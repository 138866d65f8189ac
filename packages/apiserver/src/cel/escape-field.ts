// Names of fields as expressions write them: what is no identifier is escaped
// (https://kubernetes.io/docs/reference/using-api/cel/#escaping).

const reserved = new Set(
  (
    "true false null in as break const continue else for function if import let loop package namespace return var void while " +
    "prototype"
  ).split(" "),
);

/** Undefined when the name cannot be written in an expression. */
export function escapeField(name: string): string | undefined {
  if (name === "constructor") return undefined;
  if (reserved.has(name)) return `__${name}__`;
  const escaped = name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined;
}
