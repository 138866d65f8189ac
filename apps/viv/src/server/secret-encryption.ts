// The file with the keys that Secrets are encrypted with, and putting a new key in front of the others while the server runs.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { StatusError, type ApiResponse } from "@vivarium/api";
import { EncryptedStore, EncryptionKeys, SealedValueError } from "@vivarium/apiserver";
import type { Store } from "@vivarium/store";
import { CliUserError } from "../cli-error.ts";
import type { StateDir } from "../state-dir.ts";
import { writePrivateFile } from "../write-private-file.ts";

/** Where the server is asked to rotate its keys. */
export const rotatePath = "/encryption/rotate-keys";

/** What it answers. */
export interface RotationReport {
  /** Id of the key that encrypts now. */
  readonly key: string;
  readonly rewritten: number;
  readonly file: string;
}

export class SecretEncryption {
  readonly store: EncryptedStore;
  readonly #keys: EncryptionKeys;
  readonly #file: string;
  readonly #isShared: boolean;
  readonly #now: () => Date;

  private constructor(options: {
    readonly store: EncryptedStore;
    readonly keys: EncryptionKeys;
    readonly file: string;
    readonly isShared: boolean;
    readonly now: () => Date;
  }) {
    this.store = options.store;
    this.#keys = options.keys;
    this.#file = options.file;
    this.#isShared = options.isShared;
    this.#now = options.now;
  }

  /**
   * `file`: another one than that in the state dir; it has to be there. Undefined, and nothing is encrypted, when several servers share the
   * store and this one has no keys: keys of its own would hide Secrets from the others.
   */
  static over(
    store: Store,
    options: {
      readonly stateDir: StateDir;
      readonly file?: string;
      readonly isShared: boolean;
      readonly now?: () => Date;
    },
  ): SecretEncryption | undefined {
    const { stateDir, file: given, isShared, now = () => new Date() } = options;
    const file = given ?? join(stateDir.pki, "encryption-keys.json");
    let text = readKeys(file);
    if (text === undefined && given !== undefined)
      throw new CliUserError(`Cannot read the encryption keys: ${file} is not there.`, { exit: "usage" });
    if (text === undefined && isShared) return undefined;
    if (text === undefined) {
      text = EncryptionKeys.withNewKey({ now: now() });
      writePrivateFile(file, text);
    }
    try {
      const keys = EncryptionKeys.parse(text);
      return new SecretEncryption({ store: new EncryptedStore(store, keys), keys, file, isShared, now });
    } catch (error) {
      throw new CliUserError(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  /** Makes a new key, if wanted, and encrypts every Secret with the newest. The file is read again first: somebody may have edited it. */
  async rotate(options: { readonly makesKey: boolean; readonly signal: AbortSignal }): Promise<RotationReport> {
    if (this.#isShared && options.makesKey)
      throw new StatusError(
        "Conflict",
        `the store is shared by several servers, which must all know a key before one writes with it: add it at the end of ${this.#file} on each, restart them, move it to the front on each, restart them, then use --no-new-key`,
      );
    let text = readKeys(this.#file);
    if (text === undefined) throw new StatusError("InternalError", `the key file ${this.#file} is gone`);
    if (options.makesKey) {
      text = EncryptionKeys.withNewKey({ now: this.#now(), text });
      // On disk before anything is encrypted with it.
      writePrivateFile(this.#file, text);
    }
    this.#keys.replace(text);
    try {
      const rewritten = await this.store.reencrypt(options);
      return { key: this.#keys.newest, rewritten, file: this.#file };
    } catch (error) {
      if (error instanceof SealedValueError) throw new StatusError("Conflict", error.message, { cause: error });
      throw error;
    }
  }

  async answer(query: URLSearchParams, signal: AbortSignal): Promise<ApiResponse> {
    const report = await this.rotate({ makesKey: query.get("newKey") !== "false", signal });
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(report)) };
  }
}

function readKeys(file: string): string | undefined {
  try {
    const mode = statSync(file).mode & 0o777;
    if ((mode & 0o077) !== 0)
      throw new CliUserError(`The encryption keys in ${file} can be read by others (mode ${mode.toString(8)}).`, {
        fix: [`chmod 600 ${file}`],
      });
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
