// Refuses to replace the objects of a cluster under running servers. One of them leads, and renews its lease every two seconds.

import { setTimeout as delay } from "node:timers/promises";
import { Lease } from "@vivarium/api";
import { openEtcdStore, StoreError, type EtcdStoreOptions } from "@vivarium/store";
import { CliUserError } from "../cli-error.ts";
import { controllersLease } from "./controllers-lease.ts";

const watchMs = 6_000;

export async function assertNobodyLeads(options: EtcdStoreOptions): Promise<void> {
  const store = await openEtcdStore({ ...options, compactionIntervalMs: 0 }).catch((error: unknown) => {
    // An import that is not finished: no server can have been started on it.
    if (error instanceof StoreError) return undefined;
    throw error;
  });
  if (store === undefined) return;
  try {
    const key = `/registry/${Lease.group}/${Lease.plural}/${controllersLease.namespace}/${controllersLease.name}`;
    const before = await store.get(key);
    if (before === undefined) return;
    await delay(watchMs);
    if ((await store.get(key))?.modRevision === before.modRevision) return;
  } finally {
    await store.close();
  }
  throw new CliUserError("Servers run on these objects: one of them leads now.", {
    fix: ["viv server stop, on each of them"],
    exit: "conflict",
  });
}
