// The Warning headers of an answer: https://www.rfc-editor.org/rfc/rfc7234#section-5.5, as the Kubernetes API sends them.

import type { ApiResponse } from "@vivarium/api";

const warning = /\d{3} \S+ "((?:[^"\\]|\\.)*)"/g;

export function warningsOf(response: ApiResponse): readonly string[] {
  const header = response.headers["warning"] ?? response.headers["Warning"] ?? [];
  const values = typeof header === "string" ? [header] : header;
  return values.flatMap((value) => [...value.matchAll(warning)].map((match) => unquote(match[1] ?? "")));
}

function unquote(quoted: string): string {
  return quoted.replaceAll(/\\(.)/g, "$1");
}
