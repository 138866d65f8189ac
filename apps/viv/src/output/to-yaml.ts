// YAML for people and for kubectl, which reads version 1.1: there a bare `On` is true.

/** Loads the library only when it is needed. */
export async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await import("yaml");
  return stringify(value, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false });
}
