// Snapshots inside the disks' own files, which libvirt takes and remembers by itself: gone back to and removed anywhere in the tree.
// They hold all disks that are written, and the memory of a VM that runs.

import { DomainSnapshotListFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, DomainSnapshot, Libvirt } from "@vivarium/libvirt";
import type {
  CallOptions,
  SnapshotCallOptions,
  SnapshotObservation,
  SnapshotRequest,
  VmIdentity,
} from "@vivarium/provider";
import { nameOfDisk } from "../domain/disks.ts";
import { parseDomainXml } from "../domain/view.ts";
import { element, find, findAll, parseXml, renderXml, textAt } from "../xml/element.ts";
import { watchJob } from "./jobs.ts";
import { requireLook } from "./look.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";
import { writeRecord } from "./define.ts";

const longTimeoutMs = 3_600_000;
/** Ours are named by their uid; one of another name is somebody else's. */
const uidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Of the VM, parents first. */
export async function internalsOf(
  libvirt: Libvirt,
  {
    vm,
    domain,
    options,
  }: { readonly vm: VmIdentity; readonly domain: Domain; readonly options: CallOptions | undefined },
): Promise<readonly SnapshotObservation[]> {
  const all = await libvirt.domainListAllSnapshots(domain, { ...options, flags: DomainSnapshotListFlags.TOPOLOGICAL });
  const ours = all.filter(({ name }) => uidPattern.test(name));
  if (ours.length === 0) return [];
  const current = await currentOf(libvirt, domain, options);
  return Promise.all(
    ours.map(async (snapshot) =>
      parseInternal(await libvirt.domainSnapshotGetXmlDesc(snapshot, options), { vm, snapshot, current }),
    ),
  );
}

async function currentOf(
  libvirt: Libvirt,
  domain: Domain,
  options: CallOptions | undefined,
): Promise<string | undefined> {
  try {
    return (await libvirt.domainSnapshotCurrent(domain, options)).name;
  } catch (error) {
    if (isLibvirtError(error, "NO_DOMAIN_SNAPSHOT")) return undefined;
    throw error;
  }
}

function parseInternal(
  xml: string,
  {
    vm,
    snapshot,
    current,
  }: { readonly vm: VmIdentity; readonly snapshot: DomainSnapshot; readonly current: string | undefined },
): SnapshotObservation {
  const root = parseXml(xml);
  const parent = textAt(root, "parent", "name");
  const then = find(root, "domain");
  const views = then === undefined ? [] : parseDomainXml(renderXml(then)).disks;
  const kept = new Set(
    findAll(root, "disks", "disk")
      .filter(({ attributes }) => attributes["snapshot"] === "internal")
      .map(({ attributes }) => attributes["name"]),
  );
  const nameAt = (isKept: boolean): readonly string[] =>
    views.filter(({ target }) => kept.has(target) === isKept).map((view) => nameOfDisk(vm, view) ?? view.target);
  const hasMemory = find(root, "memory")?.attributes["snapshot"] === "internal";
  return {
    uid: snapshot.name,
    name: textAt(root, "description") ?? snapshot.name,
    createdAtMs: Number(textAt(root, "creationTime") ?? 0) * 1000,
    ...(parent === undefined ? {} : { parent }),
    isCurrent: snapshot.name === current,
    method: "internal",
    consistency: hasMemory ? "memory" : "off",
    hasMemory,
    disks: nameAt(true),
    leftOut: nameAt(false),
  };
}

export async function createInternal(
  parts: SnapshotParts,
  { libvirt, domain, disks, isOn }: SnapshotLook,
  { request, options }: { readonly request: SnapshotRequest; readonly options: SnapshotCallOptions | undefined },
): Promise<void> {
  const inside = [...disks.own, ...disks.volumes].map(({ target }) => target);
  const outside = [...disks.readOnly.map(({ target }) => target), ...disks.seed];
  const xml = element("domainsnapshot", {}, [
    element("name", {}, request.uid),
    element("description", {}, request.name),
    element("memory", { snapshot: isOn ? "internal" : "no" }),
    element("disks", {}, [
      ...inside.map((name) => element("disk", { name, snapshot: "internal" })),
      ...outside.map((name) => element("disk", { name, snapshot: "no" })),
    ]),
  ]);
  const watching = watchJob(parts, { domain, options });
  try {
    await libvirt.domainSnapshotCreateXml(domain, renderXml(xml), { ...options, timeoutMs: longTimeoutMs });
  } finally {
    await watching.stop();
  }
}

export async function revertInternal(
  parts: SnapshotParts,
  look: SnapshotLook,
  how: {
    readonly vm: VmIdentity;
    readonly uid: string;
    readonly requestId: string;
    readonly options: SnapshotCallOptions | undefined;
  },
): Promise<void> {
  const { vm, uid, requestId, options } = how;
  if (look.record.reverted === requestId) return;
  const { libvirt, domain } = look;
  if (look.isOn) {
    try {
      await libvirt.domainDestroyFlags(domain, options);
    } catch (error) {
      // Went off by itself meanwhile.
      if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
    }
  }
  if (look.hasSavedMemory) await libvirt.domainManagedSaveRemove(domain, options);
  const snapshot = await libvirt.domainSnapshotLookupByName(domain, uid, options);
  await libvirt.domainRevertToSnapshot(snapshot, { ...options, timeoutMs: longTimeoutMs });
  // libvirt has put back the definition of then, with the record that it had.
  const now = await requireLook(parts, { vm, action: "revert", options });
  await writeRecord(now, { ...look.record, reverted: requestId }, options);
}

export async function removeInternal(
  { libvirt, domain }: SnapshotLook,
  { uid, options }: { readonly uid: string; readonly options: SnapshotCallOptions | undefined },
): Promise<void> {
  try {
    const snapshot = await libvirt.domainSnapshotLookupByName(domain, uid, options);
    await libvirt.domainSnapshotDelete(snapshot, { ...options, timeoutMs: longTimeoutMs });
  } catch (error) {
    if (!isLibvirtError(error, "NO_DOMAIN_SNAPSHOT")) throw error;
  }
}
