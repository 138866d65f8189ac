// How the control plane grows: machines on the simulated hypervisor, which answers at once, with the real server, its API and its store.
// 1,000 and 10,000 machines are applied and converge, each in a server of its own; then a set of 1,000 is rolled to another template, and
// with as many machines on four hosts one of these is drained.
//
// SCALE_MACHINES=200,500 measures other numbers; SCALE_PARTS=create,drain some of it.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { VirtualMachine, VMSet } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import { type ApiClient, createClientFromKubeconfig } from "@vivarium/client";
import { VivServer } from "@vivarium/e2e";
import { cpuSeconds, memoryMiB } from "./process-usage.ts";
import { round } from "./summary.ts";

const group = "infra.virtrigaud.io/v1beta1";
const connections = 32;
const limitMs = 1_800_000;

export async function scale(): Promise<unknown> {
  const counts = (process.env["SCALE_MACHINES"] ?? "1000,10000").split(",").map(Number);
  const parts = new Set((process.env["SCALE_PARTS"] ?? "create,roll,drain").split(","));
  const directory = await mkdtemp(join(tmpdir(), "viv-scale-"));
  try {
    const image = join(directory, "disk.raw");
    const bytes = new Uint8Array(1 << 20);
    bytes.set([0x55, 0xaa], 510); // a boot sector
    await writeFile(image, bytes);
    const created: Created[] = [];
    for (const count of parts.has("create") ? counts : [])
      created.push(await onServer(image, (lab) => create(lab, count)));
    const [first, last] = [created[0], created.at(-1)];
    const replicas = Math.min(1000, counts[0] ?? 0);
    return {
      create: created,
      ...(first !== undefined && last !== undefined && first !== last ? { growth: growth(first, last) } : {}),
      ...(parts.has("roll") ? { rollingUpdate: await onServer(image, (lab) => roll(lab, replicas)) } : {}),
      ...(parts.has("drain") ? { drain: await onServer(image, (lab) => drain(lab, replicas)) } : {}),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface Lab {
  readonly server: VivServer;
  readonly client: ApiClient;
  readonly pid: number;
}

interface Used {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly writes: number;
  readonly writeRequests: Readonly<Record<string, number>>;
  readonly memoryMiB: { readonly now: number; readonly peak: number };
}

interface Created extends Used {
  readonly machines: number;
  readonly applySeconds: number;
  readonly writesPerMachine: number;
  readonly cpuMsPerMachine: number;
}

async function onServer<T>(image: string, measure: (lab: Lab) => Promise<T>): Promise<T> {
  await using server = await VivServer.create();
  await server.start();
  await server.apply(base(image));
  const { client } = await createClientFromKubeconfig({ path: server.kubeconfig });
  try {
    return await measure({ server, client, pid: server.pid ?? 0 });
  } finally {
    await client.close();
  }
}

/** Nothing here limits how many machines one host takes: it is the control plane that is measured. */
function base(image: string): string {
  return `
apiVersion: ${group}
kind: Provider
metadata: {name: sim}
spec: {type: sim, endpoint: "sim://here"}
---
apiVersion: ${group}
kind: VMClass
metadata: {name: tiny}
spec: {cpu: 1, memory: 64Mi}
---
apiVersion: ${group}
kind: VMImage
metadata: {name: tiny}
spec: {source: {libvirt: {url: "file://${image}", format: raw}}}
`;
}

const spec = { providerRef: { name: "sim" }, classRef: { name: "tiny" }, imageRef: { name: "tiny" } };

async function create(lab: Lab, count: number): Promise<Created> {
  // The first one brings the image.
  await applyVms(lab.client, ["warm"]);
  await readyVms(lab.client, 1);
  let applySeconds = 0;
  const used = await using(lab, async () => {
    const from = performance.now();
    const names = Array.from({ length: count }, (_, index) => nameOf(index));
    const ready = readyVms(lab.client, count + 1);
    await applyVms(lab.client, names);
    applySeconds = round((performance.now() - from) / 1000);
    await ready;
  });
  return {
    machines: count,
    applySeconds,
    ...used,
    writesPerMachine: round(used.writes / count),
    cpuMsPerMachine: round((used.cpuSeconds * 1000) / count),
  };
}

function nameOf(index: number): string {
  return `vm-${String(index).padStart(5, "0")}`;
}

async function roll(lab: Lab, replicas: number): Promise<unknown> {
  const set: VMSet = {
    apiVersion: group,
    kind: "VMSet",
    metadata: { name: "fleet", namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "fleet" } },
      template: { metadata: { labels: { app: "fleet" } }, spec },
      updateStrategy: {
        type: "RollingUpdate",
        rollingUpdate: { maxUnavailable: "10%", maxSurge: "10%", podManagementPolicy: "Parallel" },
      },
    },
  };
  await lab.client.create(VMSet, set);
  await until(lab.client, VMSet, ({ status }) => status?.readyReplicas === replicas);
  const used = await using(lab, async () => {
    const template = { spec: { ...spec, resources: { cpu: 2 } } };
    const patched = await lab.client.mergePatch(VMSet, { namespace: "default", name: "fleet" }, { spec: { template } });
    await until(
      lab.client,
      VMSet,
      ({ status }) =>
        status?.observedGeneration === patched.metadata.generation &&
        status?.updatedReplicas === replicas &&
        status.availableReplicas === replicas &&
        status.replicas === replicas,
    );
  });
  return { replicas, maxUnavailable: "10%", maxSurge: "10%", ...used, writesPerReplica: round(used.writes / replicas) };
}

/** Four hosts with room for all, which are filled evenly; then `viv drain` of one, with a VMMigration for each machine there. */
async function drain(lab: Lab, count: number): Promise<unknown> {
  await lab.server.apply(fourHosts);
  const elsewhere = { ...spec, providerRef: { name: "four" } };
  // The first one brings the image.
  await applyVms(lab.client, ["warm"], elsewhere);
  await readyVms(lab.client, 1);
  const names = Array.from({ length: count - 1 }, (_, index) => nameOf(index));
  const ready = readyVms(lab.client, count);
  await applyVms(lab.client, names, elsewhere);
  await ready;
  const moves = await onHost(lab.client, "four-a");
  const used = await using(lab, async () => {
    const { code, stderr } = await lab.server.viv(["drain", "four-a", "--timeout", "30m"], { timeoutMs: limitMs });
    if (code !== 0) throw new Error(`viv drain ended with ${code}: ${stderr}`);
  });
  const left = await onHost(lab.client, "four-a");
  if (left > 0) throw new Error(`After the drain ${left} machines are on the host`);
  return {
    machines: count,
    moves,
    ...used,
    writesPerMove: round(used.writes / moves),
    cpuMsPerMove: round((used.cpuSeconds * 1000) / moves),
  };
}

async function onHost(client: ApiClient, host: string): Promise<number> {
  return (await client.list(VirtualMachine)).items.filter(({ status }) => status?.host === host).length;
}

const fourHosts = `
apiVersion: ${group}
kind: Provider
metadata: {name: four}
spec:
  type: sim
  hosts: [${["a", "b", "c", "d"].map((each) => `{name: four-${each}, endpoint: "sim://${each}"}`).join(", ")}]
  hostPolicy: {cpuOvercommitPercent: 10000, memoryOvercommitPercent: 1000}
`;

/**
 * From before to after: time; and the server's processor time and the revisions of its store, one for each write of whatever kind, until it
 * has come to rest: Events, for example, are written when all is done.
 */
async function using(lab: Lab, act: () => Promise<void>): Promise<Used> {
  const requests = await writeRequests(lab.client);
  const before = { cpu: await cpuSeconds(lab.pid), revision: await revision(lab.client), atMs: performance.now() };
  await act();
  const seconds = (performance.now() - before.atMs) / 1000;
  await atRest(lab.client);
  return {
    seconds: round(seconds),
    cpuSeconds: round((await cpuSeconds(lab.pid)) - before.cpu),
    writes: (await revision(lab.client)) - before.revision,
    writeRequests: difference(await writeRequests(lab.client), requests),
    memoryMiB: await memoryMiB(lab.pid),
  };
}

/** Requests that may write so far, by verb and resource: also those that changed nothing. */
async function writeRequests(client: ApiClient): Promise<ReadonlyMap<string, number>> {
  const { body } = await client.send({
    method: "GET",
    path: "/metrics",
    query: new URLSearchParams(),
    headers: {},
    body: new Uint8Array(),
  });
  const page = body instanceof Uint8Array ? Buffer.from(body).toString() : await text(body);
  const counts = new Map<string, number>();
  for (const [, labels = "", value] of page.matchAll(/^apiserver_request_total\{(.*)\} (\d+)$/gm)) {
    const of = (label: string) => new RegExp(`\\b${label}="([^"]*)"`).exec(labels)?.[1] ?? "";
    const verb = of("verb");
    if (["GET", "LIST", "WATCH"].includes(verb)) continue;
    const subresource = of("subresource");
    const key = `${verb} ${of("resource")}${subresource === "" ? "" : `/${subresource}`}`;
    counts.set(key, (counts.get(key) ?? 0) + Number(value));
  }
  return counts;
}

function difference(
  after: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): Readonly<Record<string, number>> {
  const grown = [...after].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

async function atRest(client: ApiClient): Promise<void> {
  for (let last = -1, now = await revision(client); now !== last; now = await revision(client)) {
    last = now;
    await delay(2_000);
  }
}

async function revision(client: ApiClient): Promise<number> {
  return Number((await client.list(VMSet)).resourceVersion);
}

async function applyVms(client: ApiClient, names: readonly string[], as: VirtualMachine["spec"] = spec): Promise<void> {
  const left = names.values();
  const worker = async (): Promise<void> => {
    for (const name of left) await apply(client, name, as);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

/** Server-side apply, as of a manifest. */
async function apply(client: ApiClient, name: string, as: VirtualMachine["spec"]): Promise<void> {
  const object = { apiVersion: group, kind: "VirtualMachine", metadata: { name, namespace: "default" }, spec: as };
  const { status, body } = await client.send({
    method: "PATCH",
    path: `/apis/${group}/namespaces/default/virtualmachines/${name}`,
    query: new URLSearchParams({ fieldManager: "bench" }),
    headers: { "content-type": "application/apply-patch+yaml" },
    body: Buffer.from(JSON.stringify(object)),
  });
  const answer = body instanceof Uint8Array ? Buffer.from(body).toString() : await text(body);
  if (status >= 300) throw new Error(`Cannot apply ${name}: ${status} ${answer}`);
}

async function readyVms(client: ApiClient, count: number): Promise<void> {
  const ready = new Set<string>();
  await follow(client, VirtualMachine, ({ metadata, status }) => {
    if (status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True")) ready.add(metadata.name);
    return ready.size === count;
  });
}

async function until<T extends KubeObject>(
  client: ApiClient,
  type: ResourceType<T>,
  isSo: (object: T) => boolean,
): Promise<void> {
  await follow(client, type, isSo);
}

async function follow<T extends KubeObject>(
  client: ApiClient,
  type: ResourceType<T>,
  isDone: (object: T) => boolean,
): Promise<void> {
  const listed = await client.list(type, { namespace: "default" });
  if (listed.items.some(isDone)) return;
  const signal = AbortSignal.timeout(limitMs);
  const events = client.watch(type, { namespace: "default", resourceVersion: listed.resourceVersion, signal });
  for await (const event of events) if (event.type !== "BOOKMARK" && isDone(event.object)) return;
  throw new Error(`The watch of ${type.plural} ended before it was so`);
}

function growth(first: Created, last: Created): unknown {
  const by = (of: (each: Created) => number) => round(of(last) / of(first));
  return {
    machines: by(({ machines }) => machines),
    seconds: by(({ seconds }) => seconds),
    cpuSeconds: by((each) => each.cpuSeconds),
    writes: by(({ writes }) => writes),
    memory: by(({ memoryMiB: { peak } }) => peak),
  };
}
