// SCRAM-SHA-256 and its elder sisters (RFC 5802, RFC 7677): both sides prove that they know the password, and neither sends it.

import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { authFailed } from "../errors/libvirt-error.ts";
import type { SaslCredentials, SaslExchange, SaslMechanism } from "./sasl-mechanism.ts";

/** No channel binding, no other identity. */
const gs2Header = "n,,";
/** A server that asks for more wants to keep us busy. */
const maxIterations = 10_000_000;

export interface ScramOptions {
  readonly name: string;
  readonly hash: "sha1" | "sha256" | "sha512";
  /** Random text without commas; 18 random bytes when absent. */
  readonly nonce?: () => string;
}

export function scram(options: ScramOptions): SaslMechanism {
  return { name: options.name, start: (credentials) => new ScramExchange(options, credentials) };
}

class ScramExchange implements SaslExchange {
  readonly initial: Buffer;
  readonly #hash: ScramOptions["hash"];
  readonly #password: string;
  readonly #clientNonce: string;
  readonly #clientFirst: string;
  #serverSignature: Buffer | undefined;
  #isVerified = false;

  constructor(options: ScramOptions, { username, password }: SaslCredentials) {
    this.#hash = options.hash;
    this.#password = password.normalize("NFKC");
    this.#clientNonce = (options.nonce ?? (() => randomBytes(18).toString("base64")))();
    const name = username.normalize("NFKC").replaceAll("=", "=3D").replaceAll(",", "=2C");
    this.#clientFirst = `n=${name},r=${this.#clientNonce}`;
    this.initial = Buffer.from(gs2Header + this.#clientFirst, "utf8");
  }

  get isComplete(): boolean {
    return this.#isVerified;
  }

  respond(challenge: Buffer): Buffer {
    return this.#serverSignature === undefined ? this.#prove(challenge.toString("utf8")) : this.#verify(challenge);
  }

  #prove(serverFirst: string): Buffer {
    const fields = fieldsOf(serverFirst);
    const nonce = fields.get("r");
    const salt = fields.get("s");
    const iterations = Number(fields.get("i"));
    if (nonce === undefined || !nonce.startsWith(this.#clientNonce) || nonce === this.#clientNonce) {
      throw authFailed("the server did not answer with our nonce");
    }
    if (salt === undefined || !Number.isInteger(iterations) || iterations < 1 || iterations > maxIterations) {
      throw authFailed("the server's salt or iteration count makes no sense");
    }
    const length = createHash(this.#hash).digest().length;
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, "base64"), iterations, length, this.#hash);
    const clientKey = this.#hmac(salted, "Client Key");
    const clientFinal = `c=${Buffer.from(gs2Header).toString("base64")},r=${nonce}`;
    const message = `${this.#clientFirst},${serverFirst},${clientFinal}`;
    const signature = this.#hmac(createHash(this.#hash).update(clientKey).digest(), message);
    const proof = clientKey.map((byte, index) => byte ^ (signature[index] ?? 0));
    this.#serverSignature = this.#hmac(this.#hmac(salted, "Server Key"), message);
    return Buffer.from(`${clientFinal},p=${Buffer.from(proof).toString("base64")}`, "utf8");
  }

  #verify(serverFinal: Buffer): Buffer {
    const fields = fieldsOf(serverFinal.toString("utf8"));
    const signature = Buffer.from(fields.get("v") ?? "", "base64");
    const expected = this.#serverSignature ?? Buffer.alloc(0);
    if (fields.has("e")) throw authFailed(`the server says ${fields.get("e") ?? ""}`);
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
      throw authFailed("the server does not know the password itself");
    }
    this.#isVerified = true;
    return Buffer.alloc(0);
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text, "utf8").digest();
  }
}

function fieldsOf(message: string): ReadonlyMap<string, string> {
  return new Map(
    message
      .split(",")
      .filter((field) => field[1] === "=")
      .map((field) => [field.slice(0, 1), field.slice(2)]),
  );
}
