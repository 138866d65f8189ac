// What exists now, in memory and in the order of the keys: reads of the newest revision and the conditions of writes need no SQL.
// The bytes are those that were written; there is no second copy.

import sortedBtree from "sorted-btree";
import { endOfPrefix } from "../prefix.ts";
import type { KeyValue, ListPage, StoreEvent } from "../store.ts";

type Tree = InstanceType<typeof sortedBtree.default<string, KeyValue>>;

export class CurrentKeys {
  readonly #tree: Tree = new sortedBtree.default<string, KeyValue>(undefined, sortedBtree.simpleComparator);

  /** `items`: what the store held when it was opened. */
  constructor(items: Iterable<KeyValue>) {
    for (const item of items) this.#tree.set(item.key, item);
  }

  get(key: string): KeyValue | undefined {
    return this.#tree.get(key);
  }

  apply(event: StoreEvent): void {
    if (event.type === "put") this.#tree.set(event.key, event.current);
    else this.#tree.delete(event.key);
  }

  list(
    prefix: string,
    { startAfter, limit = Infinity }: { readonly startAfter?: string; readonly limit?: number },
  ): Pick<ListPage, "items" | "more" | "remaining"> {
    const end = endOfPrefix(prefix);
    const low = startAfter !== undefined && startAfter >= prefix ? startAfter : prefix;
    const items: KeyValue[] = [];
    let remaining = 0;
    this.#tree.forRange(low, end ?? endOfKeys, false, (key, item) => {
      if (key === startAfter) return;
      if (items.length < limit) items.push(item);
      else remaining++;
    });
    return { items, more: remaining > 0, remaining };
  }
}

/** After every key that can be: keys are ASCII. */
const endOfKeys = "\u{10FFFF}";
