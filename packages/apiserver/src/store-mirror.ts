// A part of the store held in memory and kept up to date by a watch: for what nearly every request must know and seldom changes.

import { setTimeout as delay } from "node:timers/promises";
import { CompactedError, type KeyValue, type Store } from "@vivarium/store";
import type { Logger } from "pino";

const retryMs = 1000;

export interface MirrorOptions {
  readonly store: Store;
  readonly prefix: string;
  readonly log: Logger;
  /** Told each key that changed, and its new value; undefined when it is gone. */
  readonly onChange: (key: string, value: KeyValue | undefined) => void;
  /** Told after each batch of changes. */
  readonly onBatch?: () => void;
}

export class StoreMirror {
  readonly #options: MirrorOptions;
  #known = new Set<string>();
  #revision = 0;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** Reads everything; what was known and is no longer there counts as gone. */
  async load(): Promise<void> {
    const { store, prefix, onChange, onBatch } = this.#options;
    const page = await store.list(prefix);
    const gone = this.#known;
    this.#known = new Set(page.items.map((item) => item.key));
    for (const key of gone) if (!this.#known.has(key)) onChange(key, undefined);
    for (const item of page.items) onChange(item.key, item);
    this.#revision = page.revision;
    onBatch?.();
  }

  /** Follows changes until the signal aborts. While the store cannot be read the last state stays. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        const { log, prefix } = this.#options;
        if (!(error instanceof CompactedError))
          log.warn({ err: error, prefix }, "cannot follow the store, trying again");
        await delay(retryMs, undefined, { signal }).catch(() => undefined);
        await this.load().catch((cause: unknown) => log.warn({ err: cause, prefix }, "cannot read the store"));
      }
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { store, prefix, onChange, onBatch } = this.#options;
    for await (const batch of store.watch(prefix, { fromRevision: this.#revision + 1, signal })) {
      for (const event of batch) {
        const value = event.type === "put" ? event.current : undefined;
        if (value === undefined) this.#known.delete(event.key);
        else this.#known.add(event.key);
        onChange(event.key, value);
        this.#revision = event.revision;
      }
      onBatch?.();
    }
  }
}
