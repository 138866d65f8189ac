// Where our keys lie in a cluster that others may use too: all under one root, the objects under `data` in it, so that what the store
// keeps for itself is never taken for an object.

import { endOfPrefix } from "../prefix.ts";
import { StoreError } from "../store-error.ts";
import type { KeyValue } from "../store.ts";

export class EtcdKeys {
  /** Ends with a slash. */
  readonly root: string;
  readonly #data: string;

  constructor(prefix = "/vivarium") {
    if (!/^[\x21-\x7e]+$/.test(prefix))
      throw new StoreError(
        "unavailable",
        `Cannot keep objects in etcd under ${JSON.stringify(prefix)}: expected printable ASCII without spaces`,
      );
    this.root = prefix.endsWith("/") ? prefix : `${prefix}/`;
    this.#data = `${this.root}data`;
  }

  /** Everything that is ours. */
  get all(): { readonly key: string; readonly end: string } {
    return { key: this.root, end: endOf(this.root) };
  }

  /** The newest compaction, where all servers see it. */
  get compaction(): string {
    return `${this.root}compaction`;
  }

  toEtcd(key: string): string {
    return this.#data + key;
  }

  fromEtcd(kv: KeyValue): KeyValue {
    return { ...kv, key: kv.key.slice(this.#data.length) };
  }

  isOurs(etcdKey: string, prefix: string): boolean {
    return etcdKey.startsWith(this.#data + (prefix === "" ? "/" : prefix));
  }

  range(prefix: string, startAfter?: string): { readonly key: string; readonly end: string } {
    const first = this.#data + (prefix === "" ? "/" : prefix);
    // The key right after another one is that one with a zero byte.
    const next = startAfter === undefined ? first : `${this.#data}${startAfter}\0`;
    return { key: next > first ? next : first, end: endOf(first) };
  }
}

/** A prefix that is not empty and ASCII has an end. */
function endOf(prefix: string): string {
  const end = endOfPrefix(prefix);
  if (end === undefined) throw new RangeError("the empty prefix has no end");
  return end;
}
