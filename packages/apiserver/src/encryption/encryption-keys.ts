// The keys that values are sealed with. The first one seals and all of them open, so that a new key can be put in front. A value is sealed
// with a key of its own, which lies beside it, wrapped with one of these; the store's key of the value is bound in, so that nobody can put
// one Secret in another's place.
//
//   vivarium:aes-256-gcm:v1:ID: ‖ nonce, wrapped key, tag ‖ nonce, value, tag

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const wrappedBytes = nonceBytes + keyBytes + tagBytes;
const mark = Buffer.from("vivarium:aes-256-gcm:v1:");
const maxIdBytes = 64;

interface Key {
  readonly id: string;
  readonly secret: Buffer;
}

/** A sealed value cannot be opened; the message names the key. */
export class SealedValueError extends Error {
  override readonly name = "SealedValueError";
}

export class EncryptionKeys {
  #keys: readonly Key[];

  private constructor(keys: readonly Key[]) {
    this.#keys = keys;
  }

  /** `text`: JSON with `keys`, a list of `id` and `key`, which is 32 bytes in base64. */
  static parse(text: string): EncryptionKeys {
    return new EncryptionKeys(parseKeys(text));
  }

  /** The text of a key file with a new key in front of those of `text`, if any. */
  static withNewKey({ now, text }: { readonly now: Date; readonly text?: string }): string {
    const id = `${now.toISOString().slice(0, 10)}-${randomBytes(4).toString("hex")}`;
    const old = text === undefined ? [] : parseKeys(text);
    const keys = [{ id, secret: randomBytes(keyBytes) }, ...old];
    const shown = keys.map((key) => ({ id: key.id, key: key.secret.toString("base64") }));
    return `${JSON.stringify({ keys: shown }, undefined, 2)}\n`;
  }

  /** Takes the keys of another text from now on. */
  replace(text: string): void {
    this.#keys = parseKeys(text);
  }

  /** The id of the key that seals. */
  get newest(): string {
    return this.#first.id;
  }

  seal(place: string, value: Uint8Array): Uint8Array {
    const { id, secret } = this.#first;
    const own = randomBytes(keyBytes);
    return Buffer.concat([mark, Buffer.from(`${id}:`), encrypt(secret, own, place), encrypt(own, value, place)]);
  }

  /** Throws SealedValueError. */
  open(place: string, sealed: Uint8Array): Uint8Array {
    const id = sealingKeyOf(sealed);
    const key = this.#keys.find((each) => each.id === id);
    if (id === undefined || key === undefined)
      throw new SealedValueError(
        `Cannot decrypt ${place}: it is encrypted with the key "${id ?? ""}", the key file has ${this.#keys.map((each) => `"${each.id}"`).join(", ")}`,
      );
    const rest = sealed.subarray(mark.length + Buffer.byteLength(id) + 1);
    try {
      const own = decrypt(key.secret, rest.subarray(0, wrappedBytes), place);
      return decrypt(own, rest.subarray(wrappedBytes), place);
    } catch (error) {
      throw new SealedValueError(
        `Cannot decrypt ${place} with the key "${id}": the value is damaged, or another key has this id`,
        { cause: error },
      );
    }
  }

  get #first(): Key {
    const [first] = this.#keys;
    if (first === undefined) throw new TypeError("Cannot encrypt: there is no key");
    return first;
  }
}

/** The id of the key that a value is sealed with; undefined for a value that is not sealed. */
export function sealingKeyOf(value: Uint8Array): string | undefined {
  // Objects begin with a brace.
  if (value[0] !== mark[0]) return undefined;
  const head = Buffer.from(value.buffer, value.byteOffset, Math.min(value.length, mark.length + maxIdBytes + 1));
  const end = head.indexOf(":", mark.length);
  if (!head.subarray(0, mark.length).equals(mark) || end < 0) return undefined;
  return head.subarray(mark.length, end).toString("latin1");
}

function encrypt(key: Uint8Array, value: Uint8Array, place: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(place));
  return Buffer.concat([nonce, cipher.update(value), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: Uint8Array, sealed: Uint8Array, place: string): Buffer {
  const tagStart = sealed.length - tagBytes;
  if (tagStart < nonceBytes) throw new RangeError("the value is cut off");
  const cipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(place))
    .setAuthTag(sealed.subarray(tagStart));
  return Buffer.concat([cipher.update(sealed.subarray(nonceBytes, tagStart)), cipher.final()]);
}

function parseKeys(text: string): readonly Key[] {
  const { keys } = JSON.parse(text) as { keys?: readonly { id?: unknown; key?: unknown }[] };
  if (!Array.isArray(keys) || keys.length === 0) throw badKeys("found no keys, expected at least one");
  const parsed = (keys as readonly { id?: unknown; key?: unknown }[]).map(({ id, key }, index): Key => {
    if (typeof id !== "string" || !/^[A-Za-z0-9._-]{1,64}$/.test(id))
      throw badKeys(`keys[${index}].id is not a name of letters, digits, ".", "_" and "-"`);
    const secret = Buffer.from(typeof key === "string" ? key : "", "base64");
    if (secret.length !== keyBytes)
      throw badKeys(`the key "${id}" has ${secret.length} bytes, expected ${keyBytes} in base64`);
    return { id, secret };
  });
  if (new Set(parsed.map((key) => key.id)).size < parsed.length) throw badKeys("two keys have the same id");
  return parsed;
}

function badKeys(problem: string): TypeError {
  return new TypeError(`Cannot read the encryption keys: ${problem}`);
}
