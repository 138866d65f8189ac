// A store whose Secrets lie encrypted in the one below it. Everything above sees them as they are; what cannot be opened stays sealed, so that
// one damaged value holds up nobody who only passes by, and its readers learn which key is missing (stored-object.ts).

import type {
  DeleteResult,
  KeyValue,
  ListOptions,
  ListPage,
  PutResult,
  Store,
  StoreEvent,
  Watch,
  WriteCondition,
} from "@vivarium/store";
import { SealedValueError, sealingKeyOf, type EncryptionKeys } from "./encryption-keys.ts";

/** Keys under it are encrypted. */
const confidential = "/registry/core/secrets/";

export class EncryptedStore implements Store {
  readonly #below: Store;
  readonly #keys: EncryptionKeys;
  /** Values and events are shared between readers: each is opened once. */
  readonly #opened = new WeakMap<KeyValue, KeyValue>();
  readonly #openedEvents = new WeakMap<StoreEvent, StoreEvent>();

  constructor(below: Store, keys: EncryptionKeys) {
    this.#below = below;
    this.#keys = keys;
  }

  /** Writes again what is not encrypted with the newest key; returns how many values that were. Throws SealedValueError. */
  async reencrypt({ signal }: { readonly signal: AbortSignal }): Promise<number> {
    let rewritten = 0;
    const { items } = await this.#below.list(confidential);
    for (const item of items) {
      signal.throwIfAborted();
      let found: KeyValue | undefined = item;
      while (found !== undefined && sealingKeyOf(found.value) !== this.#keys.newest) {
        const result = await this.put(found.key, this.#plainValue(found), { expected: found.modRevision });
        if (result.written) rewritten++;
        // Whoever wrote in between may have used the old key still.
        found = result.written ? undefined : await this.#below.get(found.key);
      }
    }
    return rewritten;
  }

  revision(): Promise<number> {
    return this.#below.revision();
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const found = await this.#below.get(key);
    return found === undefined ? undefined : this.#open(found);
  }

  async list(prefix: string, options?: ListOptions): Promise<ListPage> {
    const page = await this.#below.list(prefix, options);
    return mayHoldSealed(prefix) ? { ...page, items: page.items.map((item) => this.#open(item)) } : page;
  }

  async put(key: string, value: Uint8Array, condition?: WriteCondition): Promise<PutResult> {
    if (!key.startsWith(confidential)) return this.#below.put(key, value, condition);
    const result = await this.#below.put(key, this.#keys.seal(key, value), condition);
    const previous = result.written && result.previous !== undefined ? { previous: this.#open(result.previous) } : {};
    if (result.written) return { written: true, current: this.#open(result.current), ...previous };
    return { written: false, ...(result.current !== undefined && { current: this.#open(result.current) }) };
  }

  async delete(key: string, condition?: WriteCondition): Promise<DeleteResult> {
    const result = await this.#below.delete(key, condition);
    if (result.deleted) return { ...result, previous: this.#open(result.previous) };
    return result.current === undefined ? result : { ...result, current: this.#open(result.current) };
  }

  watch(prefix: string, options: { readonly fromRevision: number; readonly signal: AbortSignal }): Watch {
    const watch = this.#below.watch(prefix, options);
    if (!mayHoldSealed(prefix)) return watch;
    const openBatch = (batch: readonly StoreEvent[]): readonly StoreEvent[] =>
      batch.map((event) => this.#openEvent(event));
    return {
      get revision() {
        return watch.revision;
      },
      async *[Symbol.asyncIterator]() {
        for await (const batch of watch) yield openBatch(batch);
      },
    };
  }

  compact(revision: number): Promise<void> {
    return this.#below.compact(revision);
  }

  close(): Promise<void> {
    return this.#below.close();
  }

  #openEvent(event: StoreEvent): StoreEvent {
    if (!event.key.startsWith(confidential)) return event;
    const known = this.#openedEvents.get(event);
    if (known !== undefined) return known;
    const previous = event.previous === undefined ? {} : { previous: this.#open(event.previous) };
    const opened: StoreEvent =
      event.type === "put"
        ? { ...event, current: this.#open(event.current), ...previous }
        : { ...event, previous: this.#open(event.previous) };
    this.#openedEvents.set(event, opened);
    return opened;
  }

  #open(kv: KeyValue): KeyValue {
    if (!kv.key.startsWith(confidential) || sealingKeyOf(kv.value) === undefined) return kv;
    const known = this.#opened.get(kv);
    if (known !== undefined) return known;
    try {
      const opened = { ...kv, value: this.#keys.open(kv.key, kv.value) };
      this.#opened.set(kv, opened);
      return opened;
    } catch (error) {
      // Its readers are told, and not kept from other values.
      if (error instanceof SealedValueError) return kv;
      throw error;
    }
  }

  #plainValue({ key, value }: KeyValue): Uint8Array {
    return sealingKeyOf(value) === undefined ? value : this.#keys.open(key, value);
  }
}

/** Whether a list or watch of the prefix can meet encrypted values. */
function mayHoldSealed(prefix: string): boolean {
  return prefix.startsWith(confidential) || confidential.startsWith(prefix);
}
