// Brings the objects of another store into etcd: one after the other, in the order in which clients saw them change, each with a
// revision above all that clients have seen. It may be killed at any point and begun again; it goes on where it was. At the end what
// is in etcd is read back and compared.

import { BackupError } from "../backup/backup-error.ts";
import { digestOf, inOrder, type Snapshot } from "../backup/snapshot.ts";
import { StoreError } from "../store-error.ts";
import type { KeyValue } from "../store.ts";
import { EtcdClient, type EtcdConnection } from "./etcd-client.ts";
import { EtcdKeys } from "./etcd-keys.ts";

export interface ImportOptions {
  readonly connection: EtcdConnection & { readonly prefix?: string };
  /** Every revision from here on is above this one: the highest that clients may have seen. */
  readonly floor: number;
  /** Delete the objects that are there first. */
  readonly replaces?: boolean;
  /** Called with how many objects are there. */
  readonly onProgress?: (done: number) => void;
}

/** What is known of an import, in etcd itself. */
interface ImportRecord {
  /** Of the source's keys and values. */
  readonly digest: string;
  readonly objects: number;
  /** Added to the cluster's revisions. */
  readonly offset: number;
  /** The cluster's revision when all was there; absent before. */
  readonly doneAt?: number;
}

const pageSize = 500;

/** Throws StoreError while an import is not finished. */
export async function readImport(
  client: EtcdClient,
  keys: EtcdKeys,
): Promise<{ readonly offset: number; readonly begin: number }> {
  const record = await readRecord(client, keys);
  if (record === undefined) return { offset: 0, begin: 0 };
  const { offset, doneAt } = record;
  if (doneAt !== undefined) return { offset, begin: doneAt + offset };
  throw new StoreError(
    "unavailable",
    `Cannot serve the objects under ${keys.root}: they are being brought there, expected that to be finished first`,
  );
}

/** Throws BackupError when there are other objects already. */
export async function importIntoEtcd(snapshot: Snapshot, options: ImportOptions): Promise<{ readonly digest: string }> {
  const client = new EtcdClient(options.connection);
  const keys = new EtcdKeys(options.connection.prefix);
  try {
    const digest = digestOf(snapshot.items);
    const record = await begin(client, keys, {
      snapshot,
      digest,
      floor: options.floor,
      replaces: options.replaces ?? false,
    });
    const present = (await readAll(client, keys)).items;
    assertBeginning(present, snapshot);
    for (let done = present.length; done < snapshot.items.length; done++) {
      const item = snapshot.items[done];
      if (item === undefined) break;
      const put = { put: { key: keys.toEtcd(item.key), value: item.value } };
      await client.txn({
        compare: [{ key: keys.toEtcd(item.key), modRevision: 0 }],
        success: [put],
        failure: [],
      });
      options.onProgress?.(done + 1);
    }
    const found = await readAll(client, keys);
    if (digestOf(found.items) !== digest)
      throw new BackupError(
        "damaged",
        `The objects in etcd have the digest ${digestOf(found.items)}, expected that of the source, ${digest}`,
      );
    await writeRecord(client, keys, { ...record, doneAt: found.revision });
    return { digest };
  } finally {
    client.close();
  }
}

/** The record of this import, made before the first object. */
async function begin(
  client: EtcdClient,
  keys: EtcdKeys,
  source: {
    readonly snapshot: Snapshot;
    readonly digest: string;
    readonly floor: number;
    readonly replaces: boolean;
  },
): Promise<ImportRecord> {
  const { snapshot, digest, floor, replaces } = source;
  const old = await readRecord(client, keys);
  if (old !== undefined && old.doneAt === undefined && old.digest === digest) return old;
  if (old !== undefined && old.doneAt === undefined && !replaces)
    throw new BackupError("other-source", `Objects of another source are being brought to ${keys.root}`);
  const range = keys.range("");
  const { count, revision } = await client.range({ ...range, limit: 1 });
  if (count > 0 && !replaces)
    throw new BackupError("not-empty", `There are ${count} objects under ${keys.root} already, expected none`);
  // Never less than what servers on this cluster have used before.
  const offset = Math.max(floor - revision, old?.offset ?? 0, 0);
  const record = { digest, objects: snapshot.items.length, offset };
  await writeRecord(client, keys, record);
  if (count > 0) await client.txn({ compare: [], success: [{ deleteRange: range }], failure: [] });
  return record;
}

async function readRecord(client: EtcdClient, keys: EtcdKeys): Promise<ImportRecord | undefined> {
  const { items } = await client.range({ key: keys.import });
  return items[0] && (JSON.parse(Buffer.from(items[0].value).toString("utf8")) as ImportRecord);
}

async function writeRecord(client: EtcdClient, keys: EtcdKeys, record: ImportRecord): Promise<void> {
  const put = { key: keys.import, value: Buffer.from(JSON.stringify(record)) };
  await client.txn({ compare: [], success: [{ put }], failure: [] });
}

async function readAll(client: EtcdClient, keys: EtcdKeys): Promise<Snapshot> {
  const items: KeyValue[] = [];
  let revision: number | undefined;
  for (let startAfter: string | undefined; ;) {
    const page = await client.range({
      ...keys.range("", startAfter),
      limit: pageSize,
      ...(revision !== undefined && { revision }),
    });
    revision ??= page.revision;
    items.push(...page.items.map((item) => keys.fromEtcd(item)));
    startAfter = items.at(-1)?.key;
    if (!page.more) return { revision, items: inOrder(items) };
  }
}

/** What an earlier try left must be the first objects of the source, and nothing else. */
function assertBeginning(present: readonly KeyValue[], snapshot: Snapshot): void {
  if (digestOf(present) === digestOf(snapshot.items.slice(0, present.length))) return;
  throw new BackupError("not-empty", `The ${present.length} objects that are there are not those of the source`);
}
