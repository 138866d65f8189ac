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
  // One after the other: every request comes here, and spreads cost more than all the rest.
  const path: { -readonly [K in keyof ResourcePath]: ResourcePath[K] } = { group, version, plural };
  if (isScoped) path.namespace = namespace;
  if (name !== undefined) path.name = name;
  if (subresource !== undefined) path.subresource = subresource;
  return path;
}

/** `/api/v1/namespaces/x/status` is about the Namespace x, not about a kind called "status". */
const namespaceSubresources: ReadonlySet<string> = new Set(["status", "finalize"]);

function decode(path: string): string[] | undefined {
  const parts = (path.endsWith("/") ? path.slice(0, -1) : path).split("/");
  parts.shift();
  if (!path.includes("%")) return parts;
  try {
    return parts.map((part) => decodeURIComponent(part));
  } catch {
    return undefined;
  }
}
