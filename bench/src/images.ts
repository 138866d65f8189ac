// Layered images: building one against the same steps by hand, finding that it is there already, making a disk of it, what six of them take, and the
// export of a disk against `qemu-img convert`. With a tiny guest, or a role that ships with the product: BENCH_ROLE=docker (needs mirrors, and
// without KVM much time; its parent is built first and not counted).

import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ImageBuild, VirtualMachine, VMImage, VMRole } from "@vivarium/api";
import { createClientFromKubeconfig } from "@vivarium/client";
import type { Client } from "@vivarium/client";
import { eventually, tinyBase, tinyImage, tinyLayerGuestImage, type VivServer } from "@vivarium/e2e";
import { createLibvirtProviderFactory } from "@vivarium/provider-libvirt";
import { pino } from "pino";
import { buildByHand, execute } from "./images/by-hand.ts";
import { diskUse } from "./images/disk-use.ts";
import { round, summarize } from "./summary.ts";
import { withServer } from "./with-server.ts";

const namespace = "default";
const realRole = process.env["BENCH_ROLE"];
const buildRounds = Number(process.env["BENCH_ROUNDS"] ?? 3);
const quickRounds = 15;
const patient = { timeoutMs: 3_600_000, everyMs: 200 };
/** Data of the exported disk. */
const bulkBytes = 256 * 2 ** 20;

export async function layeredImages(): Promise<unknown> {
  // Beside the pool, on the same file system.
  const scratch = await mkdtemp("/var/lib/libvirt/images/viv-bench-");
  await execute("chmod", ["711", scratch]);
  try {
    return await withServer((server) => measure(server, scratch));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function measure(server: VivServer, scratch: string): Promise<unknown> {
  await server.start();
  const { client } = await createClientFromKubeconfig({ path: server.kubeconfig });
  const plain = await tinyImage("plain", `file://${await tinyLayerGuestImage()}`);
  await server.apply([await tinyBase(), plain, ...(realRole === undefined ? tinyRoles() : [])].join("---\n"));
  const { build, layers } =
    realRole === undefined ? await tinyBuilds(client, scratch) : await realBuild(client, scratch);
  const [layer] = layers;
  if (layer === undefined) throw new Error("No layer was built");
  const cached: number[] = [];
  for (let count = 0; count < quickRounds; count += 1) {
    const from = performance.now();
    await built(client, layer.spec.source?.layer?.role ?? "", { everyMs: 5 });
    cached.push(performance.now() - from);
  }
  return {
    build,
    cachedBuildMs: summarize(cached),
    diskOfLayerMs: summarize(await disksOf(layer)),
    disk: await diskUse({ layers: layers.map(pathOf), below: await pathsBelow(client, layer) }, scratch),
    export: await exported(server, { client, scratch }),
  };
}

/** Six roles upon one plain image, each with some MiB of its own. */
function tinyRoles(): readonly string[] {
  return Array.from(
    { length: 6 },
    (_, index) => `
apiVersion: vivarium.dev/v1alpha1
kind: VMRole
metadata: {name: ${tinyRole(index)}}
spec:
  parent: {images: [{name: plain}]}
  commands: ["head -c ${4 + index}000000 /dev/urandom >/disk/data"]
  verify: ["test -s /disk/data"]
  resources: {cpu: 1, memory: 128Mi}
`,
  );
}

const tinyRole = (index: number): string => `bench-${index + 1}`;

async function tinyBuilds(client: Client, scratch: string) {
  // The first brings the parent, and is not counted.
  const layers = [await built(client, tinyRole(0))];
  const [ours, byHand]: [number[], number[]] = [[], []];
  for (let index = 1; index <= Math.min(buildRounds, 5); index += 1) {
    const { layer, seconds } = await timed(client, tinyRole(index));
    layers.push(layer);
    ours.push(seconds);
    byHand.push(await buildByHand(layer, await parentPath(client, layer), scratch));
  }
  const rest = Array.from({ length: 6 - layers.length }, (_, index) => built(client, tinyRole(layers.length + index)));
  layers.push(...(await Promise.all(rest)));
  return { build: compared("tiny", ours, byHand), layers };
}

async function realBuild(client: Client, scratch: string) {
  const role = realRole ?? "";
  const { items } = await client.list(VMRole, { namespace: "vivarium-system" });
  const below = items.find(({ metadata }) => metadata.name === role)?.spec.parent.roleRef?.name;
  if (below !== undefined) await built(client, below);
  const { layer, seconds } = await timed(client, role);
  const byHand = await buildByHand(layer, await parentPath(client, layer), scratch);
  return { build: compared(role, [seconds], [byHand]), layers: [layer] };
}

function compared(role: string, ours: readonly number[], byHand: readonly number[]) {
  const [built, made] = [summarize(ours), summarize(byHand)];
  return { role, unit: "s", built, byHand: made, toByHand: round(built.p50 / made.p50) };
}

async function timed(client: Client, role: string): Promise<{ readonly layer: VMImage; readonly seconds: number }> {
  const from = performance.now();
  const layer = await built(client, role);
  return { layer, seconds: (performance.now() - from) / 1000 };
}

let builds = 0;

/** Asks for a build as `viv build` does, and gives the image. */
async function built(client: Client, role: string, { everyMs }: { everyMs: number } = patient): Promise<VMImage> {
  const name = `bench-${(builds += 1)}`;
  await client.create(ImageBuild, {
    apiVersion: `${ImageBuild.group}/${ImageBuild.version}`,
    kind: ImageBuild.kind,
    metadata: { namespace, name },
    spec: { roleRef: { name: role } },
  });
  const image = await eventually(
    `role ${role} is built`,
    async () => {
      const { status } = await client.get(ImageBuild, { namespace, name });
      if (status?.phase === "Failed") throw new Error(status.message);
      return status?.phase === "Succeeded" ? status.image : undefined;
    },
    { ...patient, everyMs },
  );
  if (everyMs < patient.everyMs) return client.get(VMImage, { namespace, name: image });
  return eventually(
    `image ${image} is ready`,
    async () => {
      const found = await client.get(VMImage, { namespace, name: image });
      return found.status?.ready === true ? found : undefined;
    },
    patient,
  );
}

function pathOf({ metadata, status }: VMImage): string {
  const path = Object.values(status?.providerStatus ?? {})[0]?.path;
  if (path === undefined) throw new Error(`Image ${metadata.name} is nowhere`);
  return path;
}

async function parentPath(client: Client, layer: VMImage): Promise<string> {
  const name = layer.spec.source?.layer?.parentRef.name ?? "";
  return pathOf(await client.get(VMImage, { namespace, name }));
}

async function pathsBelow(client: Client, layer: VMImage): Promise<readonly string[]> {
  const paths: string[] = [];
  for (let next: string | undefined = layer.spec.source?.layer?.parentRef.name; next !== undefined;) {
    const image: VMImage = await client.get(VMImage, { namespace, name: next });
    paths.push(pathOf(image));
    next = image.spec.source?.layer?.parentRef.name;
  }
  return paths;
}

/** The copying that a machine of the layer takes, in milliseconds: its root disk, by the provider's own call. */
async function disksOf(layer: VMImage): Promise<readonly number[]> {
  const memo = { get: () => Promise.resolve(undefined), set: () => Promise.resolve() };
  const factory = createLibvirtProviderFactory({ logger: pino({ level: "silent" }), memo });
  const config = { endpoint: "qemu:///system", credentials: {}, pool: "vivarium", timeoutMs: 10_000 };
  const provider = factory.open(config);
  const took: number[] = [];
  try {
    const imageId = Object.values(layer.status?.providerStatus ?? {})[0]?.id ?? "";
    // Connects, and looks at the pool.
    await provider.describe();
    for (let count = 0; count < quickRounds; count += 1) {
      const vm = { uid: crypto.randomUUID(), namespace, name: `bench-disk-${count}` };
      const from = performance.now();
      await provider.disks.ensureRoot(vm, { name: "root", imageId });
      took.push(performance.now() - from);
      await provider.disks.remove(vm);
    }
  } finally {
    await provider.close();
  }
  return took;
}

/** A VM that was never on, with a disk of which half can be compressed, made into an image; and what qemu-img needs for the same disk. */
async function exported(
  server: VivServer,
  { client, scratch }: { readonly client: Client; readonly scratch: string },
): Promise<unknown> {
  const [raw, disk] = [join(scratch, "bulk.raw"), join(scratch, "bulk.qcow2")];
  const half = randomBytes(bulkBytes / 2);
  await writeFile(raw, Buffer.concat([half, Buffer.alloc(bulkBytes / 2, "what a log says again and again\n")]));
  await execute("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, disk]);
  await server.apply(await tinyImage("bulk", `file://${disk}`));
  await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: bench-bulk}
spec: {classRef: {name: tiny}, imageRef: {name: bulk}, powerState: "Off", disks: [{name: root, sizeGiB: 1}]}
`);
  const vm = await eventually(
    "the machine is made",
    async () => {
      const found = await client.get(VirtualMachine, { namespace, name: "bench-bulk" });
      return found.status?.powerState === "Off" ? found : undefined;
    },
    patient,
  );
  const folder = dirname(pathOf(await client.get(VMImage, { namespace, name: "bulk" })));
  const root = join(folder, `bench-bulk.${vm.metadata.uid?.slice(0, 8) ?? ""}.root.qcow2`);
  const out = join(scratch, "out.qcow2");
  const [ours, convert, andCheck]: [number[], number[], number[]] = [[], [], []];
  for (let count = 0; count < buildRounds; count += 1) {
    let from = performance.now();
    await execute("qemu-img", ["convert", "-c", "-f", "qcow2", "-O", "qcow2", root, out]);
    convert.push((performance.now() - from) / 1000);
    await execute("qemu-img", ["compare", "-f", "qcow2", "-F", "qcow2", root, out]);
    await execute("sha256sum", [out]);
    andCheck.push((performance.now() - from) / 1000);
    from = performance.now();
    const asked = await server.viv(["export", "bench-bulk", `bench-out-${count}`, "--verify", "digest"], patient);
    if (asked.code !== 0) throw new Error(asked.stderr);
    ours.push((performance.now() - from) / 1000);
  }
  const summaries = {
    exported: summarize(ours),
    convert: summarize(convert),
    convertCompareDigest: summarize(andCheck),
  };
  const to = (peer: { readonly p50: number }): number => round(summaries.exported.p50 / peer.p50);
  return {
    unit: "s",
    dataBytes: bulkBytes,
    ...summaries,
    toConvert: to(summaries.convert),
    toConvertCompareDigest: to(summaries.convertCompareDigest),
  };
}
