// The body of an answer that is JSON.

import type { ApiResponse } from "@vivarium/api";

/** The caller knows the type from what it asked for. */
export async function readJson<T>(response: ApiResponse): Promise<T> {
  const chunks: Uint8Array[] = [];
  if (response.body instanceof Uint8Array) chunks.push(response.body);
  else for await (const chunk of response.body) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as T;
}
