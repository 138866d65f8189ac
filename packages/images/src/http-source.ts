// One HTTP request for (the rest of) an image: bounded redirects, and every way to fail told apart.

import { ImageError } from "./image-source.ts";

/** The part of `fetch` that a download uses. */
export type ImageFetch = (
  url: string,
  init: {
    readonly headers: Record<string, string>;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
  },
) => Promise<ImageResponse>;

export interface ImageResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: { get(name: string): string | null };
  readonly body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null;
}

const maxRedirects = 10;
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

export interface ImageRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Resolves with 200, 206, 304 or 416; throws ImageError for everything else. The user's headers go to the first origin only. */
export async function requestImage(fetch: ImageFetch, request: ImageRequest): Promise<ImageResponse> {
  const { signal } = request;
  const firstOrigin = new URL(request.url).origin;
  let url = request.url;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const headers = new URL(url).origin === firstOrigin ? { ...request.headers } : withoutSecrets(request.headers);
    const response = await tryFetch(fetch, { url, headers, signal });
    if (!redirectStatuses.has(response.status)) return checkStatus(url, response);
    await response.body?.cancel();
    url = redirectTarget(url, response);
  }
  throw new ImageError("HttpError", `Cannot download ${safeUrl(request.url)}: more than ${maxRedirects} redirects`);
}

/** The names that this program sets itself; all else came from the user and may be a credential. */
const ownHeaders = new Set([
  "range",
  "if-range",
  "if-none-match",
  "if-modified-since",
  "accept-encoding",
  "user-agent",
]);

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => ownHeaders.has(name.toLowerCase())));
}

async function tryFetch(fetch: ImageFetch, request: ImageRequest): Promise<ImageResponse> {
  try {
    return await fetch(request.url, {
      headers: { ...request.headers },
      redirect: "manual",
      signal: request.signal,
    });
  } catch (cause) {
    request.signal.throwIfAborted();
    const { host } = new URL(request.url);
    throw new ImageError("Unreachable", `Cannot download from ${host}: ${failureText(cause)}`, { cause });
  }
}

/** fetch says "fetch failed" and keeps what happened in `cause`, sometimes several (one for each address tried). */
export function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(failureText).join("; ");
  return error.cause instanceof Error ? failureText(error.cause) : error.message;
}

function redirectTarget(from: string, response: ImageResponse): string {
  const location = response.headers.get("location");
  const target = location === null ? null : URL.parse(location, from);
  if (target === null || !/^https?:$/.test(target.protocol)) {
    throw new ImageError(
      "HttpError",
      `Cannot download ${safeUrl(from)}: redirected to ${JSON.stringify(location)}, expected an http or https URL`,
    );
  }
  return target.href;
}

async function checkStatus(url: string, response: ImageResponse): Promise<ImageResponse> {
  const { status, statusText } = response;
  if ([200, 206, 304, 416].includes(status)) return response;
  await response.body?.cancel();
  const code = status === 404 || status === 410 ? "NotFound" : "HttpError";
  throw new HttpStatusError(
    code,
    `Cannot download ${safeUrl(url)}: server answered ${status} ${statusText}, expected 200`,
    {
      status,
      retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
    },
  );
}

/** Seconds only: a date would need the server's clock to be right. */
function retryAfterMs(value: string | null): number | undefined {
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}

export class HttpStatusError extends ImageError {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: "NotFound" | "HttpError",
    message: string,
    { status, retryAfterMs }: { status: number; retryAfterMs: number | undefined },
  ) {
    super(code, message);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Without user name, password and query, which may hold secrets. */
export function safeUrl(text: string): string {
  const url = URL.parse(text);
  return url === null ? text : `${url.protocol}//${url.host}${url.pathname}`;
}
