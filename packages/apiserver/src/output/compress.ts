// Long answers are compressed for those who ask for it, as kube-apiserver does it: gzip at its fastest, from 128 kB on. Watches never are.

import { Readable } from "node:stream";
import { constants, createGzip, gzip } from "node:zlib";
import { promisify } from "node:util";
import type { ApiRequest, ApiResponse } from "@vivarium/api";

const minBytes = 128 * 1024;
const options = { level: constants.Z_BEST_SPEED };
const compressBytes = promisify<Uint8Array, typeof options, Buffer>(gzip);

/** `response` has an end. */
export function compressed(request: ApiRequest, response: ApiResponse): ApiResponse | Promise<ApiResponse> {
  const { body } = response;
  if (body instanceof Uint8Array && body.length < minBytes) return response;
  if (!acceptsGzip(request.headers["accept-encoding"])) return response;
  const headers = { ...response.headers, "content-encoding": "gzip", vary: "Accept-Encoding" };
  if (body instanceof Uint8Array)
    return compressBytes(body, options).then((compact) => ({ ...response, headers, body: compact }));
  return { ...response, headers, body: throughGzip(body, request.signal) };
}

function acceptsGzip(header: string | undefined): boolean {
  return (header ?? "").split(",").some((part) => /^\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*$).*)?$/i.test(part));
}

async function* throughGzip(body: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const source = Readable.from(body, { objectMode: false, signal });
  yield* source.compose(createGzip(options), { signal }) as AsyncIterable<Uint8Array>;
}
