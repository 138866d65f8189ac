// The stores alone, each asked the same: durable puts by many writers at once, reads, and one long list.

import { join } from "node:path";
import { EtcdServer, openEtcdStore, openSqliteStore, whyNoEtcd, type Store } from "@vivarium/store";
import { monotonicMs } from "./usage.ts";
import { nameOf, virtualMachineBody } from "./virtual-machine-body.ts";

const writers = 64;
const puts = 20_000;
const gets = 20_000;
const prefix = "/registry/bench/";

/** The second is a real etcd of one member, on the same disk and processors. */
export async function measureStores(directory: string): Promise<unknown> {
  const skipped = whyNoEtcd();
  return {
    sqlite: await measureStore(openSqliteStore({ path: join(directory, "store.db") })),
    etcd: skipped === false ? await measureEtcd() : { skipped },
  };
}

async function measureEtcd(): Promise<unknown> {
  await using server = await EtcdServer.start();
  return await measureStore(await openEtcdStore({ endpoints: [server.endpoint] }));
}

async function measureStore(store: Store): Promise<unknown> {
  try {
    return await measureOpen(store);
  } finally {
    await store.close();
  }
}

async function measureOpen(store: Store): Promise<unknown> {
  const { body } = virtualMachineBody("bench");
  const put = await timed(puts, (index) => store.put(prefix + nameOf(index), Uint8Array.from(body), { expected: 0 }));
  const get = await timed(gets, (index) => store.get(prefix + nameOf((index * 7919) % puts)));
  const from = monotonicMs();
  const { items } = await store.list(prefix, { limit: 10_000 });
  return { writers, put, get, list: { objects: items.length, ms: Math.round((monotonicMs() - from) * 10) / 10 } };
}

/** `count` calls by as many writers as there are, each doing one after the other. */
async function timed(count: number, call: (index: number) => Promise<unknown>): Promise<object> {
  const latencies: number[] = [];
  let next = 0;
  const from = monotonicMs();
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < count) {
        const sent = monotonicMs();
        await call(next++);
        latencies.push(monotonicMs() - sent);
      }
    }),
  );
  const seconds = (monotonicMs() - from) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((latencies[Math.floor(share * (count - 1))] ?? Number.NaN) * 100) / 100;
  return { perSecond: Math.round(count / seconds), p50Ms: at(0.5), p99Ms: at(0.99) };
}
