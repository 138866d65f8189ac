// The contract of every store. The words and promises are etcd's (https://etcd.io/docs/v3.5/learning/api_guarantees/):
//
//   - One revision for the whole store; each change has one of its own, greater than all before. A store that is ours alone has no
//     holes in between. An etcd that others use too counts their changes as well: there a hole says nothing was changed here.
//   - A promise of `put` or `delete` resolves only when the change is durable.
//   - Reads see every change whose promise has resolved, and never half a change.
//   - A watch gives each change once, in order, and leaves none out, however slow its reader is, or it ends with CompactedError.
//   - A write that fails was not made, unless it fails as `uncertain`: then nobody knows yet, and reading tells.
//
// Keys begin with a slash, are ASCII and sort by their bytes.

/** One version of one key. Never changes; may be shared between readers. */
export interface KeyValue {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision of the put that made the key. */
  readonly createRevision: number;
  /** Revision of the put that wrote this version. */
  readonly modRevision: number;
  /** 1 for the first put after the key was made, then counting up. */
  readonly version: number;
}

/** One change, as watches give it. */
export type StoreEvent =
  | {
      readonly type: "put";
      readonly revision: number;
      readonly key: string;
      readonly current: KeyValue;
      /** Absent when the put made the key. */
      readonly previous?: KeyValue;
    }
  | { readonly type: "delete"; readonly revision: number; readonly key: string; readonly previous: KeyValue };

export interface WriteCondition {
  /** Write only if the key's modRevision is this; 0: only if the key does not exist. Absent: whatever is there. */
  readonly expected?: number;
}

export type PutResult =
  | { readonly written: true; readonly current: KeyValue; readonly previous?: KeyValue }
  /** The condition was not met; `current` is what was found, absent when the key does not exist. */
  | { readonly written: false; readonly current?: KeyValue };

export type DeleteResult =
  | { readonly deleted: true; readonly revision: number; readonly previous: KeyValue }
  /** The key does not exist (no `current`), or the condition was not met. */
  | { readonly deleted: false; readonly current?: KeyValue };

export interface ListOptions {
  /** At most so many items. */
  readonly limit?: number;
  /** Only keys after this one. */
  readonly startAfter?: string;
  /** As it was at this revision; the newest when absent. CompactedError when it is too old, StoreError when not reached yet. */
  readonly revision?: number;
}

export interface ListPage {
  /** In the order of their keys. */
  readonly items: readonly KeyValue[];
  /** The revision that was read. */
  readonly revision: number;
  /** True when the limit cut the list. */
  readonly more: boolean;
  /** How many the limit left out; absent where counting them would cost as much as reading them. */
  readonly remaining?: number;
}

/** Batches of changes, never empty. Can be iterated once. */
export interface Watch extends AsyncIterable<readonly StoreEvent[]> {
  /** Every change of the prefix up to this revision has been handed out. It may lag behind the store when nothing concerns the prefix. */
  readonly revision: number;
}

export interface Store {
  /** The newest durable revision. */
  revision(): Promise<number>;
  get(key: string): Promise<KeyValue | undefined>;
  list(prefix: string, options?: ListOptions): Promise<ListPage>;
  put(key: string, value: Uint8Array, condition?: WriteCondition): Promise<PutResult>;
  delete(key: string, condition?: WriteCondition): Promise<DeleteResult>;
  /**
   * Changes of the keys under `prefix` from `fromRevision` on (that one included). Ends when the signal aborts or the store closes;
   * throws CompactedError when a change that it should give has been compacted and is not at hand any more.
   */
  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch;
  /** Forgets what was superseded at or before `revision`: reads of earlier revisions fail with CompactedError. */
  compact(revision: number): Promise<void>;
  /** Finishes the writes that were accepted, ends all watches, releases the files. */
  close(): Promise<void>;
}
