// The keys that sign the tokens of service accounts. The first one signs and all of them check, so that a new key can be put in front
// while tokens of the old one still hold. A key's id is its thumbprint (RFC 7638).

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from "jose";

const algorithm = "ES256";

interface SigningKey {
  readonly id: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
}

export class ServiceAccountKeys {
  readonly #keys: readonly SigningKey[];

  private constructor(keys: readonly SigningKey[]) {
    this.#keys = keys;
  }

  /** `text`: a JWK set with private keys, as `generate` gives it. */
  static async parse(text: string): Promise<ServiceAccountKeys> {
    const { keys } = JSON.parse(text) as { keys?: readonly JWK[] };
    if (!Array.isArray(keys) || keys.length === 0)
      throw new TypeError(
        "Cannot read the keys of service accounts: found no keys, expected a JWK set with private keys",
      );
    return new ServiceAccountKeys(await Promise.all((keys as readonly JWK[]).map(signingKey)));
  }

  /** A JWK set with one new key. */
  static async generate(): Promise<string> {
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
    return JSON.stringify({ keys: [{ ...(await exportJWK(privateKey)), alg: algorithm, use: "sig" }] }, undefined, 2);
  }

  get newest(): { readonly id: string; readonly privateKey: CryptoKey; readonly algorithm: string } {
    const [key] = this.#keys;
    if (key === undefined) throw new TypeError("Cannot sign: there is no key");
    return { id: key.id, privateKey: key.privateKey, algorithm };
  }

  /** The key to check a signature with. */
  find(id: string | undefined): CryptoKey | undefined {
    return this.#keys.find((key) => key.id === id)?.publicKey;
  }

  /** For others to check tokens with; at `/openid/v1/jwks`. */
  get publicKeys(): { readonly keys: readonly JWK[] } {
    return { keys: this.#keys.map((key) => key.publicJwk) };
  }
}

async function signingKey(jwk: JWK): Promise<SigningKey> {
  const { kty, crv, x, y } = jwk;
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined || jwk.d === undefined)
    throw new TypeError("Cannot read the keys of service accounts: expected private keys of the curve P-256");
  const id = await calculateJwkThumbprint(jwk);
  const publicJwk: JWK = { kty, crv, x, y, alg: algorithm, use: "sig", kid: id };
  const [privateKey, publicKey] = await Promise.all([importKey(jwk), importKey(publicJwk)]);
  return { id, privateKey, publicKey, publicJwk };
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, algorithm);
  if (key instanceof Uint8Array) throw new TypeError("Cannot read the keys of service accounts: a key is symmetric");
  return key;
}
