// The API server under load: durable creates, reads, lists and watches over TLS, what objects and watches weigh, and how long a full
// store takes to open. Server and load generators are processes of their own; beside the server, in the same run, a bare Node server
// with the same group commit.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Child } from "./api/child.ts";
import type { loadTasks, Load, Measured } from "./api/load-process.ts";
import type { serverTasks } from "./api/server-process.ts";
import { measureStores } from "./api/stores.ts";
import { coreShare, monotonicMs, type Usage } from "./api/usage.ts";
import { virtualMachineBody } from "./api/virtual-machine-body.ts";
import { countSyncs } from "./count-syncs.ts";
import { round } from "./summary.ts";

type Server = Child<typeof serverTasks>;
type Generator = Child<typeof loadTasks>;

/** How `viv` in the root of the tree runs Node. */
const shippedOptions = [
  "--max-semi-space-size=16",
  "--import",
  new URL("api/small-young-heap.ts", import.meta.url).href,
];
const shippedEnvironment = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072" };
const token = "bench-token";
const clients = 64;
/** Until what runs is compiled: of the first 10,000 creates a sixth of the time is the compiler's. */
const warmUp = 10_000;
const creates = 20_000;
const listObjects = 10_000;
const watchers = 1000;
const events = 200;
const storedObjects = 50_000;

interface Certificate {
  readonly key: string;
  readonly cert: string;
}

export async function apiServer(): Promise<unknown> {
  const directory = await mkdtemp(join(tmpdir(), "vivarium-bench-api-"));
  try {
    const certificate = await makeCertificate(directory);
    return {
      objectBytes: virtualMachineBody("bench").body.length,
      stores: await measureStores(directory),
      bare: await withServer(directory, { certificate, kind: "bare" }, bare),
      server: await withServer(directory, { certificate, kind: "api" }, underLoad),
      connections: await withServer(directory, { certificate, kind: "api" }, idleConnections),
      watches: await withServer(directory, { certificate, kind: "api" }, watching),
      full: await withServer(directory, { certificate, kind: "api" }, fillUp),
      reopened: await reopen(directory, certificate),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Bench {
  readonly server: Server;
  readonly generator: Generator;
  readonly load: Load;
}

async function withServer(
  directory: string,
  { certificate, kind }: { readonly certificate: Certificate; readonly kind: "api" | "bare" },
  run: (bench: Bench) => Promise<unknown>,
): Promise<unknown> {
  const server: Server = startServer();
  const generator: Generator = Child.start(new URL("api/load-process.ts", import.meta.url));
  try {
    const database = join(directory, `${run.name}.db`);
    const { port } = await server.ask("start", { database, ...certificate, token, kind });
    return await run({ server, generator, load: { port, cert: certificate.cert, token, namespace: "bench" } });
  } finally {
    await generator.stop();
    await server.stop();
  }
}

function startServer(): Server {
  return Child.start(new URL("api/server-process.ts", import.meta.url), {
    nodeOptions: shippedOptions,
    environment: shippedEnvironment,
  });
}

async function bare({ server, generator, load }: Bench): Promise<unknown> {
  await generator.ask("create", { ...load, connections: clients, from: 0, count: warmUp });
  const create = await withShares(server, generator, () =>
    generator.ask("create", { ...load, connections: clients, from: warmUp, count: creates }),
  );
  await generator.ask("get", { ...load, connections: clients, objects: listObjects, count: warmUp });
  const get = await withShares(server, generator, () =>
    generator.ask("get", { ...load, connections: clients, objects: listObjects, count: 2 * creates }),
  );
  return { create, get };
}

async function underLoad(bench: Bench): Promise<unknown> {
  const { server, generator, load } = bench;
  for (const namespace of ["bench", "list"]) await generator.ask("namespace", { ...load, namespace });
  await generator.ask("create", { ...load, connections: clients, from: 0, count: warmUp });
  const create = await withShares(server, generator, () =>
    generator.ask("create", { ...load, connections: clients, from: warmUp, count: creates }),
  );
  const lists = { ...load, namespace: "list" };
  await generator.ask("create", { ...lists, connections: clients, from: 0, count: listObjects });
  await generator.ask("get", { ...lists, connections: clients, objects: listObjects, count: warmUp });
  const get = await withShares(server, generator, () =>
    generator.ask("get", { ...lists, connections: clients, objects: listObjects, count: 2 * creates }),
  );
  await generator.ask("list", { ...lists, count: 3, query: "" });
  const list = await withShares(server, generator, () => generator.ask("list", { ...lists, count: 10, query: "" }));
  return { create, get, list };
}

async function watching({ server, generator, load }: Bench): Promise<unknown> {
  const input = { ...load, namespace: "watch" };
  await generator.ask("namespace", input);
  await generator.ask("create", { ...input, connections: clients, from: events, count: warmUp });
  const empty = await weigh(server);
  const revision = (await server.ask("recordCommits", "watch")).revision;
  await generator.ask("watch", { ...input, connections: watchers, resourceVersion: revision });
  const watched = await weigh(server);
  const writer: Generator = Child.start(new URL("api/load-process.ts", import.meta.url));
  try {
    const shares = await withShares(server, generator, async () => {
      for (let event = 0; event < events; event++) {
        await writer.ask("create", { ...input, connections: 1, from: event, count: 1 });
        await delay(40);
      }
      await delay(500);
      return generator.ask("latencies", await server.ask("commits"));
    });
    return {
      watchers,
      commits: events,
      ...shares,
      bytesPerIdleWatch: perOne(empty, watched),
    };
  } finally {
    await writer.stop();
  }
}

/** Connections that have done a request and are kept: what TLS and HTTP alone weigh. */
async function idleConnections({ server, generator, load }: Bench): Promise<unknown> {
  await generator.ask("namespace", load);
  await generator.ask("create", { ...load, connections: clients, from: 0, count: warmUp });
  const before = await weigh(server);
  await generator.ask("idle", { ...load, connections: watchers });
  return { connections: watchers, bytesPerIdleConnection: perOne(before, await weigh(server)) };
}

/** What one of the connections weighs: all of the process, and of it the JavaScript heap with its Buffers. */
function perOne(before: Usage, after: Usage): unknown {
  const inHeap = (each: Usage): number => each.heapBytes + each.arrayBufferBytes;
  return {
    rss: Math.round((after.rssBytes - before.rssBytes) / watchers),
    heap: Math.round((inHeap(after) - inHeap(before)) / watchers),
  };
}

async function fillUp({ server, generator, load }: Bench): Promise<unknown> {
  await generator.ask("namespace", load);
  const before = await weigh(server);
  await generator.ask("create", { ...load, connections: clients, from: 0, count: storedObjects });
  const listed = await generator.ask("list", { ...load, count: 1, query: "" });
  const after = await weigh(server);
  return {
    objects: storedObjects,
    ...weights({ before, after, listed }),
    syncsInTenIdleSeconds: await countSyncs(server.pid),
  };
}

/** Starts again on what `fillUp` left. */
async function reopen(directory: string, certificate: Certificate): Promise<unknown> {
  const server = startServer();
  const generator: Generator = Child.start(new URL("api/load-process.ts", import.meta.url));
  try {
    const before = await weigh(server);
    const from = monotonicMs();
    const database = join(directory, `${fillUp.name}.db`);
    const { port } = await server.ask("start", { database, ...certificate, token, kind: "api" });
    const startMs = monotonicMs() - from;
    const started = await weigh(server);
    const load: Load = { port, cert: certificate.cert, token, namespace: "bench" };
    const listed = await generator.ask("list", { ...load, count: 1, query: "" });
    const after = await weigh(server);
    return {
      objects: storedObjects,
      startMs: round(startMs),
      startedRssMiB: mebibytes(started.rssBytes),
      ...weights({ before, after, listed }),
    };
  } finally {
    await generator.stop();
    await server.stop();
  }
}

function weights(seen: { readonly before: Usage; readonly after: Usage; readonly listed: Measured }): object {
  const { before, after, listed } = seen;
  const wireBytes = Math.round(listed.answerBytes / storedObjects);
  const heldBytes = Math.round((after.rssBytes - before.rssBytes) / storedObjects);
  return {
    rssMiB: mebibytes(after.rssBytes),
    wireBytesPerObject: wireBytes,
    heldBytesPerObject: heldBytes,
    heldPerWire: Math.round((heldBytes / wireBytes) * 100) / 100,
  };
}

async function weigh(server: Server): Promise<Usage> {
  return server.ask("usage", { collect: true });
}

/** Runs a measurement and adds how many cores each side had of the machine, and what one core of the server would do alone. */
async function withShares<T extends { readonly count: number }>(
  server: Server,
  generator: Generator,
  run: () => Promise<T>,
): Promise<
  T & { readonly perServerCoreSecond: number; readonly serverCores: number; readonly generatorCores: number }
> {
  const read = () => Promise.all([server.ask("usage", { collect: false }), generator.ask("usage", { collect: false })]);
  const before = await read();
  const measured = await run();
  const after = await read();
  return {
    ...measured,
    perServerCoreSecond: Math.round((measured.count * 1000) / (after[0].cpuMs - before[0].cpuMs)),
    serverCores: coreShare(before[0], after[0]),
    generatorCores: coreShare(before[1], after[1]),
  };
}

function mebibytes(bytes: number): number {
  return round(bytes / 1024 / 1024);
}

async function makeCertificate(directory: string): Promise<Certificate> {
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  await promisify(execFile)("openssl", ["req", "-x509", "-nodes", ...curve, ...subject, "-keyout", key, "-out", cert]);
  return { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
}
