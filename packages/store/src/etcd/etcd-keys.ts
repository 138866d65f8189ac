// Where our keys lie in a cluster that others may use too: all under one root, the objects under `data` in it, so that what the store
// keeps for itself is never taken for an object.
//
// Revisions are the cluster's own plus an offset. It is 0 unless objects were brought from another store, whose revisions were higher:
// then it keeps every revision from here on above those that clients have seen there, and what was before the import counts as compacted.

import { endOfPrefix } from "../prefix.ts";
import { CompactedError, StoreError } from "../store-error.ts";
import type { KeyValue } from "../store.ts";

export class EtcdKeys {
  /** Ends with a slash. */
  readonly root: string;
  readonly offset: number;
  /** The store's revision at the end of the import; 0 where there was none. */
  readonly #begin: number;
  readonly #data: string;

  constructor(
    prefix = "/vivarium",
    brought: { readonly offset: number; readonly begin: number } = { offset: 0, begin: 0 },
  ) {
    if (!/^[\x21-\x7e]+$/.test(prefix))
      throw new StoreError(
        "unavailable",
        `Cannot keep objects in etcd under ${JSON.stringify(prefix)}: expected printable ASCII without spaces`,
      );
    this.root = prefix.endsWith("/") ? prefix : `${prefix}/`;
    this.#data = `${this.root}data`;
    this.offset = brought.offset;
    this.#begin = brought.begin;
  }

  /** Everything that is ours. */
  get all(): { readonly key: string; readonly end: string } {
    return { key: this.root, end: endOf(this.root) };
  }

  /** The newest compaction, where all servers see it. */
  get compaction(): string {
    return `${this.root}compaction`;
  }

  /** What was brought here from another store, and how far that is. */
  get import(): string {
    return `${this.root}import`;
  }

  toEtcd(key: string): string {
    return this.#data + key;
  }

  fromEtcd(kv: KeyValue): KeyValue {
    return {
      ...kv,
      key: kv.key.slice(this.#data.length),
      createRevision: kv.createRevision + this.offset,
      modRevision: kv.modRevision + this.offset,
    };
  }

  /** Of a state to be read. Throws CompactedError for one of the store that the objects came from. */
  toEtcdRevision(revision: number): number {
    if (revision < this.#begin) throw new CompactedError(revision, this.#begin);
    return revision - this.offset;
  }

  /** For a condition: what can never be met stays so. */
  toEtcdExpected(revision: number): number {
    return revision === 0 ? 0 : Math.max(revision - this.offset, -1);
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
