// Everything that a store holds at one revision: what a backup keeps and what is brought to another store.

import { createHash } from "node:crypto";
import type { KeyValue, Store } from "../store.ts";

export interface Snapshot {
  readonly revision: number;
  /** In the order of their modRevision: the order in which clients saw them. */
  readonly items: readonly KeyValue[];
}

const pageSize = 500;

export async function readSnapshot(store: Store): Promise<Snapshot> {
  const items: KeyValue[] = [];
  let revision: number | undefined;
  for (let startAfter: string | undefined; ;) {
    const page = await store.list("/", {
      limit: pageSize,
      ...(revision !== undefined && { revision }),
      ...(startAfter !== undefined && { startAfter }),
    });
    revision = page.revision;
    items.push(...page.items);
    startAfter = page.items.at(-1)?.key;
    if (!page.more) return { revision, items: inOrder(items) };
  }
}

export function inOrder(items: readonly KeyValue[]): KeyValue[] {
  return items.toSorted((a, b) => a.modRevision - b.modRevision);
}

/** The same for the same keys with the same values in the same order, whatever their revisions are. */
export function digestOf(items: readonly KeyValue[]): string {
  const hash = createHash("sha256");
  for (const { key, value } of items) hash.update(`${key.length} ${value.length} ${key} `).update(value);
  return hash.digest("hex");
}
