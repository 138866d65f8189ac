// Paths of fields as Kubernetes writes them: `spec.disks[0].name`.

export function formatPath(parts: readonly string[]): string {
  return parts.reduce(
    (path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === "" ? part : `${path}.${part}`),
    "",
  );
}
