// What exists now, in memory and in the order of the keys: reads of the newest revision and the conditions of writes need no SQL.

import sortedBtree from "sorted-btree";
import { endOfPrefix } from "../prefix.ts";
import type { KeyValue, ListPage, StoreEvent } from "../store.ts";
import { SlabValue, ValueSlabs } from "./value-slabs.ts";

type Tree = InstanceType<typeof sortedBtree.default<string, SlabValue>>;

export class CurrentKeys {
  readonly #tree: Tree = new sortedBtree.default<string, SlabValue>(undefined, sortedBtree.simpleComparator);
  /** The same, for reads of one key: a way down the tree compares a dozen long keys that begin alike. */
  readonly #byKey = new Map<string, SlabValue>();
  readonly #slabs = new ValueSlabs();

  /** `items`: what the store held when it was opened. */
  constructor(items: Iterable<KeyValue>) {
    for (const item of items) this.#set(this.keep(item));
  }

  get(key: string): KeyValue | undefined {
    return this.#byKey.get(key);
  }

  /** The same in memory of ours, which is where it stays when it is applied. */
  keep(kv: KeyValue): SlabValue {
    return this.#slabs.keep(kv);
  }

  apply(event: StoreEvent): void {
    const previous = this.#byKey.get(event.key);
    if (event.type === "delete") {
      this.#tree.delete(event.key);
      this.#byKey.delete(event.key);
    } else this.#set(event.current instanceof SlabValue ? event.current : this.keep(event.current));
    if (previous !== undefined) this.#slabs.release(previous, (other) => this.#byKey.get(other.key) === other);
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

  #set(value: SlabValue): void {
    this.#tree.set(value.key, value);
    this.#byKey.set(value.key, value);
    this.#slabs.hold(value);
  }
}

/** After every key that can be: keys are ASCII. */
const endOfKeys = "\u{10FFFF}";
