// From `create VirtualMachine` to the hypervisor's event that its domain has started, against the raw libvirt calls that make the same
// VM: clone the image, write the seed, define, start. The two in turn, in one run.

import { VirtualMachine } from "@vivarium/api";
import { type Client, createClientFromKubeconfig } from "@vivarium/client";
import { tinyBase, type VivServer } from "@vivarium/e2e";
import { buildSeed } from "@vivarium/images";
import { DomainUndefineFlags, DomainXmlFlags, Libvirt, parseUri, type StorageVolume } from "@vivarium/libvirt";
import { summarize } from "./summary.ts";
import { withServer } from "./with-server.ts";

const rounds = 15;
const prefix = "bench-cp";

export async function controlPlane(): Promise<unknown> {
  const libvirt = new Libvirt(parseUri("qemu:///system"));
  await libvirt.ready({ timeoutMs: 10_000 });
  try {
    return await withServer((server) => compare(libvirt, server));
  } finally {
    libvirt.close();
  }
}

async function compare(libvirt: Libvirt, server: VivServer): Promise<unknown> {
  await server.start();
  await server.apply(await tinyBase());
  const { client } = await createClientFromKubeconfig({ path: server.kubeconfig });
  const template = await makeTemplate(libvirt, client);
  const ours: number[] = [];
  const raw: number[] = [];
  for (let round = 0; round < rounds; round++) {
    raw.push(await rawStart(libvirt, `${prefix}-raw-${round}`, template));
    ours.push(await declaredStart(libvirt, client, `${prefix}-${round}`));
  }
  const added = ours.map((value, index) => value - (raw[index] ?? Number.NaN));
  return { unit: "ms", declared: summarize(ours), rawLibvirt: summarize(raw), added: summarize(added) };
}

interface Template {
  readonly xml: string;
  /** Name and start of the uid, as in the volumes' names. */
  readonly stem: string;
  readonly uuid: string;
  readonly name: string;
  readonly rootXml: string;
}

/** The first VM warms everything up, and its domain and disk are the pattern for the raw ones. */
async function makeTemplate(libvirt: Libvirt, client: Client): Promise<Template> {
  const name = `${prefix}-template`;
  await create(client, name);
  await startedEvent(libvirt, name).promise;
  const domain = await libvirt.domainLookupByName(name);
  const xml = await libvirt.domainGetXmlDesc(domain, { flags: DomainXmlFlags.INACTIVE });
  const stem = `${name}.${domain.uuid.slice(0, 8)}`;
  const pool = await libvirt.storagePoolLookupByName("vivarium");
  const root = await libvirt.storageVolLookupByName(pool, `${stem}.root.qcow2`);
  const rootXml = await libvirt.storageVolGetXmlDesc(root);
  await remove(client, name);
  return { xml, stem, uuid: domain.uuid, name, rootXml };
}

async function declaredStart(libvirt: Libvirt, client: Client, name: string): Promise<number> {
  const started = startedEvent(libvirt, name);
  const from = performance.now();
  await create(client, name);
  await started.promise;
  const took = performance.now() - from;
  await remove(client, name);
  return took;
}

async function rawStart(libvirt: Libvirt, name: string, template: Template): Promise<number> {
  const uuid = crypto.randomUUID();
  const stem = `${name}.${uuid.slice(0, 8)}`;
  const rename = (text: string) =>
    text
      .replaceAll(template.stem, stem)
      .replaceAll(template.uuid, uuid)
      .replaceAll(`<name>${template.name}</name>`, `<name>${name}</name>`)
      .replace(/<metadata>[\s\S]*<\/metadata>/, "");
  const started = startedEvent(libvirt, name);
  const volumes: StorageVolume[] = [];
  const from = performance.now();
  const pool = await libvirt.storagePoolLookupByName("vivarium");
  volumes.push(await libvirt.storageVolCreateXml(pool, volumeXml(rename(template.rootXml))));
  const iso = buildSeed({
    userData: "#cloud-config\n",
    metaData: { instanceId: uuid, localHostname: name, publicKeys: [] },
  });
  const seedXml = `<volume><name>${stem}.seed.iso</name><capacity>${iso.length}</capacity><target><format type='raw'/></target></volume>`;
  const seed = await libvirt.storageVolCreateXml(pool, seedXml);
  volumes.push(seed);
  await libvirt.storageVolUpload(seed, single(iso));
  const domain = await libvirt.domainDefineXmlFlags(rename(template.xml));
  await libvirt.domainCreateWithFlags(domain);
  await started.promise;
  const took = performance.now() - from;
  await libvirt.domainDestroyFlags(domain);
  await libvirt.domainUndefineFlags(domain, { flags: DomainUndefineFlags.NVRAM });
  await libvirt.storagePoolRefresh(pool);
  volumes.push(await libvirt.storageVolLookupByName(pool, `${stem}.serial.log`));
  for (const volume of volumes) await libvirt.storageVolDelete(volume);
  return took;
}

/** What a create takes of a volume's description: without key, path, times and sizes of the one that is there. */
function volumeXml(description: string): string {
  const part = (pattern: RegExp) => pattern.exec(description)?.[0] ?? "";
  const backing = part(/<backingStore>[\s\S]*<\/backingStore>/).replace(/<timestamps>[\s\S]*<\/timestamps>/, "");
  return `<volume>${part(/<name>.*<\/name>/)}${part(/<capacity[\s\S]*<\/capacity>/)}<target><format type='qcow2'/></target>${backing}</volume>`;
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function create(client: Client, name: string): Promise<void> {
  await client.create(VirtualMachine, {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VirtualMachine",
    metadata: { name, namespace: "default" },
    spec: { providerRef: { name: "local" }, classRef: { name: "tiny" }, imageRef: { name: "tiny" } },
  });
}

async function remove(client: Client, name: string): Promise<void> {
  const { items, resourceVersion } = await client.list(VirtualMachine, { namespace: "default" });
  await client.delete(VirtualMachine, { namespace: "default", name });
  if (!items.some((item) => item.metadata.name === name)) return;
  for await (const event of client.watch(VirtualMachine, { namespace: "default", resourceVersion })) {
    if (event.type === "DELETED" && event.object.metadata.name === name) return;
  }
}

function startedEvent(libvirt: Libvirt, name: string): { readonly promise: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = libvirt.onDomainEvent((event) => {
    if (event.kind !== "lifecycle" || event.event !== "started" || event.domain.name !== name) return;
    stop();
    resolve();
  });
  return { promise };
}
