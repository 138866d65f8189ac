// One HTTP request for (the rest of) an image: bounded redirects, and every way to fail told apart.

import { ImageError } from "./image-source.ts";
import type { ClientCertificate, ImageErrorCode } from "./image-source.ts";

/** The part of `fetch` that a download uses. */
export type ImageFetch = (
  url: string,
  init: {
    readonly headers: Record<string, string>;
    readonly redirect: "manual";
    readonly signal: AbortSignal;
    readonly clientCertificate?: ClientCertificate;
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
  readonly clientCertificate?: ClientCertificate;
  readonly signal: AbortSignal;
}

/**
 * Resolves with 200, 206, 304 or 416; throws ImageError for everything else. The user's headers and certificate go to the first origin only,
 * and not even there once another one has sent the request back.
 */
export async function requestImage(fetch: ImageFetch, request: ImageRequest): Promise<ImageResponse> {
  const { signal } = request;
  const first = withoutUserInfo(request);
  const { origin } = new URL(first.url);
  let next: ImageRequest = first;
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const response = await tryFetch(fetch, next);
    if (!redirectStatuses.has(response.status)) return checkStatus(next.url, response);
    await response.body?.cancel();
    const url = redirectTarget(next.url, response);
    next = new URL(url).origin === origin ? { ...next, url } : { url, headers: withoutSecrets(next.headers), signal };
  }
  throw new ImageError("HttpError", `Cannot download ${safeUrl(request.url)}: more than ${maxRedirects} redirects`);
}

/** `https://user:password@host/` is asked with a header, for fetch takes no such URL, and quotes it in its refusal. */
function withoutUserInfo(request: ImageRequest): ImageRequest {
  const url = new URL(request.url);
  const { username, password } = url;
  if (username === "" && password === "") return request;
  url.username = url.password = "";
  const given = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  return { ...request, url: url.href, headers: { authorization: `Basic ${given}`, ...request.headers } };
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

async function tryFetch(fetch: ImageFetch, { url, headers, ...request }: ImageRequest): Promise<ImageResponse> {
  const { host } = new URL(url);
  requireSendable(host, headers);
  try {
    return await fetch(url, { ...request, headers: { ...headers }, redirect: "manual" });
  } catch (cause) {
    request.signal.throwIfAborted();
    throw new ImageError("Unreachable", `Cannot download from ${host}: ${failureText(cause)}`, { cause });
  }
}

/** fetch would quote the value in its refusal. RFC 9110, 5.5 */
function requireSendable(host: string, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value)) continue;
    throw new ImageError(
      "Unsupported",
      `Cannot download from ${host}: header ${JSON.stringify(name)} holds characters that no header can have`,
    );
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
  // What a server says of users is none of theirs.
  if (target !== null) target.username = target.password = "";
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
  const code = codeOfStatus[status] ?? "HttpError";
  throw new HttpStatusError(
    code,
    `Cannot download ${safeUrl(url)}: server answered ${status} ${statusText}, expected 200`,
    {
      status,
      retryAfterMs: retryAfterMs(response.headers.get("retry-after")),
    },
  );
}

const codeOfStatus: Readonly<Partial<Record<number, ImageErrorCode>>> = {
  401: "Unauthorized",
  403: "Unauthorized",
  404: "NotFound",
  410: "NotFound",
};

/** Seconds only: a date would need the server's clock to be right. */
function retryAfterMs(value: string | null): number | undefined {
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) * 1000 : undefined;
}

export class HttpStatusError extends ImageError {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ImageErrorCode,
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
