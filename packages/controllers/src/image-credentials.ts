// What an image's source is shown, from the Secrets that the VMImage names. It goes to the download and nowhere else: not into keys of tasks,
// not into messages. Pure.

import type { DeclaredImageSource, ImageCredential, Secret } from "@vivarium/api";
import type { ClientCertificate, ImageSource } from "@vivarium/images";

export type SecretOf = (name: string) => Secret | undefined;

/** A Secret is missing, or lacks what is wanted of it. */
export class MissingCredential extends Error {
  override readonly name = "MissingCredential";
}

/** What to fetch, with what the server is shown. Throws MissingCredential. */
export function fetchableSource(source: DeclaredImageSource, secretOf: SecretOf): ImageSource {
  if (source.kind !== "url") return source;
  const { credentials, timeoutMs: _timeoutMs, ...place } = source;
  if (credentials === undefined) return place;
  const headers: Record<string, string> = { ...source.headers };
  let clientCertificate: ClientCertificate | undefined;
  for (const credential of credentials) {
    const read = (key: string): string => valueOf(credential.secret, key, secretOf);
    switch (credential.kind) {
      case "basic": {
        const pair = `${read(credential.usernameKey)}:${read(credential.passwordKey)}`;
        headers["authorization"] = `Basic ${Buffer.from(pair).toString("base64")}`;
        break;
      }
      case "bearer":
        headers["authorization"] = `Bearer ${read(credential.tokenKey)}`;
        break;
      case "headers":
        for (const key of Object.keys(secretOf(credential.secret)?.data ?? {})) headers[key.toLowerCase()] = read(key);
        if (secretOf(credential.secret) === undefined) throw missingSecret(credential.secret);
        break;
      case "certificate":
        clientCertificate = { cert: read(credential.certKey), key: read(credential.keyKey) };
        break;
      default:
        throw new TypeError(`Unknown credential: ${JSON.stringify(credential satisfies never)}`);
    }
  }
  return { ...place, headers, ...(clientCertificate === undefined ? {} : { clientCertificate }) };
}

export function secretsOfSource(source: DeclaredImageSource): readonly string[] {
  const credentials: readonly ImageCredential[] = (source.kind === "url" ? source.credentials : undefined) ?? [];
  return [...new Set(credentials.map(({ secret }) => secret))];
}

/** Without the end of the line that editors put behind a token. */
function valueOf(secret: string, key: string, secretOf: SecretOf): string {
  const object = secretOf(secret);
  if (object === undefined) throw missingSecret(secret);
  const value = object.data?.[key];
  if (value !== undefined)
    return Buffer.from(value, "base64")
      .toString("utf8")
      .replace(/\r?\n$/, "");
  const found = Object.keys(object.data ?? {}).map((name) => `"${name}"`);
  throw new MissingCredential(`Secret "${secret}" has no key "${key}": found ${found.join(", ") || "none"}`);
}

function missingSecret(secret: string): MissingCredential {
  return new MissingCredential(`Secret "${secret}" does not exist`);
}
