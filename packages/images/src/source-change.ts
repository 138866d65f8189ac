// Whether a URL gives another file than it did, asked without fetching it.

import { strongValidator } from "./download.ts";
import { requestImage } from "./http-source.ts";
import type { ImageFetch } from "./http-source.ts";
import { ImageError } from "./image-source.ts";
import type { UrlSource } from "./image-source.ts";

/** True also where there is no way to tell: without a validator of then or now. Throws ImageError. */
export async function hasSourceChanged(
  source: UrlSource,
  options: { readonly fetch: ImageFetch; readonly signal: AbortSignal; readonly validator: string | undefined },
): Promise<boolean> {
  const { fetch, signal, validator } = options;
  if (source.checksum !== undefined) return false;
  if (validator === undefined) return true;
  const condition = validator.startsWith('"') ? "if-none-match" : "if-modified-since";
  const headers = {
    ...source.headers,
    "accept-encoding": "identity",
    "user-agent": "vivarium",
    [condition]: validator,
  };
  const { url, clientCertificate } = source;
  const certificate = clientCertificate === undefined ? {} : { clientCertificate };
  const response = await requestImage(fetch, { url, headers, signal, ...certificate });
  await response.body?.cancel();
  if (response.status === 304) return false;
  if (response.status !== 200) {
    throw new ImageError(
      "HttpError",
      `Cannot look for a newer image: server answered ${response.status}, expected 200`,
    );
  }
  return strongValidator(response) !== validator;
}
