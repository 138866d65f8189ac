// Reads a URL path of the API: `/api/v1/…` and `/apis/GROUP/VERSION/…`
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris).

export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** Undefined when the path is not one of a resource, or is not well encoded. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = decode(path);
  if (parts === undefined || parts.some((part) => part === "" || part === "." || part === "..")) return undefined;
  if (parts[0] === "api") return parseRest("", parts[1], parts.slice(2));
  if (parts[0] === "apis" && parts[1] !== undefined) return parseRest(parts[1], parts[2], parts.slice(3));
  return undefined;
}

function parseRest(group: string, version: string | undefined, parts: readonly string[]): ResourcePath | undefined {
  const [first, namespace, ...inNamespace] = parts;
  if (version === undefined || first === undefined) return undefined;
  const isScoped =
    first === "namespaces" &&
    namespace !== undefined &&
    inNamespace.length > 0 &&
    !(group === "" && inNamespace.length === 1 && namespaceSubresources.has(inNamespace[0] ?? ""));
  const [plural, name, subresource, ...rest] = isScoped ? inNamespace : parts;
  if (plural === undefined || rest.length > 0) return undefined;
  return {
    group,
    version,
    plural,
    ...(isScoped && { namespace }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}

/** `/api/v1/namespaces/x/status` is about the Namespace x, not about a kind called "status". */
const namespaceSubresources: ReadonlySet<string> = new Set(["status", "finalize"]);

function decode(path: string): string[] | undefined {
  try {
    return path
      .replace(/\/$/, "")
      .split("/")
      .slice(1)
      .map((part) => (part.includes("%") ? decodeURIComponent(part) : part));
  } catch {
    return undefined;
  }
}
