// URLs: url, isURL and the parts of one.

import type { Environment } from "@marcbachmann/cel-js";

class Url {
  readonly url: URL;
  /** `/path` alone is a URL too, without scheme and host. */
  readonly isAbsolute: boolean;

  constructor(url: URL, isAbsolute: boolean) {
    this.url = url;
    this.isAbsolute = isAbsolute;
  }
}

export function registerUrls(environment: Environment): void {
  const parts: Readonly<Record<string, (url: URL) => string>> = {
    getScheme: (url) => url.protocol.replace(/:$/, ""),
    getHost: (url) => url.host,
    getHostname: (url) => url.hostname.replace(/^\[(.*)\]$/, "$1"),
    getPort: (url) => url.port,
    getEscapedPath: (url) => url.pathname,
  };
  environment
    .registerType("kubernetes.URL", Url)
    .registerFunction("url(string): kubernetes.URL", (text: string) => {
      const url = parse(text);
      if (url === undefined)
        throw new TypeError(`URL parse error during conversion from string: ${JSON.stringify(text)}`);
      return url;
    })
    .registerFunction("isURL(string): bool", (text: string) => parse(text) !== undefined)
    .registerFunction("kubernetes.URL.getQuery(): map<string, list<string>>", ({ url }: Url) => {
      const query = new Map<string, string[]>();
      for (const [key, value] of url.searchParams) query.set(key, [...(query.get(key) ?? []), value]);
      return query;
    })
    .registerOperator("kubernetes.URL == kubernetes.URL", (a: Url, b: Url) => a.url.href === b.url.href);
  for (const [name, part] of Object.entries(parts))
    environment.registerFunction(`kubernetes.URL.${name}(): string`, ({ url, isAbsolute }: Url) =>
      isAbsolute || name === "getEscapedPath" ? part(url) : "",
    );
}

function parse(text: string): Url | undefined {
  const isAbsolute = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text);
  if (!isAbsolute && !text.startsWith("/")) return undefined;
  const url = URL.parse(text, isAbsolute ? undefined : "http://none");
  return url === null ? undefined : new Url(url, isAbsolute);
}
