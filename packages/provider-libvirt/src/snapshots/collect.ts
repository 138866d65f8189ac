// Gives back what no snapshot needs any more, one step of layers.ts at a time, each after a fresh look.

import { DomainCreateFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { SnapshotCallOptions, VmIdentity } from "@vivarium/provider";
import { element, renderXml } from "../xml/element.ts";
import { redefine, writeRecord } from "./define.ts";
import { commit } from "./jobs.ts";
import { chainOf, isMerged, nextLayerStep, pathUp } from "./layers.ts";
import type { DiskLayers } from "./layers.ts";
import { lookAtSnapshots } from "./look.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";
import { afterMerge } from "./record.ts";
import type { Merge } from "./record.ts";

interface Subject {
  readonly vm: VmIdentity;
  readonly options: SnapshotCallOptions | undefined;
}

/** More than any VM has files: steps that lead nowhere do not go on for ever. */
const mostSteps = 1_000;

export async function collect(parts: SnapshotParts, subject: Subject): Promise<void> {
  for (let count = 0; count < mostSteps; count++) {
    const look = await lookAtSnapshots(parts, { ...subject, action: "tidy the snapshots of" });
    if (look === undefined) return;
    if (look.record.merge !== undefined) {
      await settleMerge(look, { ...subject, merge: look.record.merge });
      continue;
    }
    // It goes on with the files that it was saved with: what is to be given back waits for the next time.
    if (look.hasSavedMemory) return;
    const next = nextStep(look);
    if (next === undefined) return;
    if (next.step.kind === "delete") {
      await parts.pool.delete(next.step.volume, subject.options);
      parts.usage.forget();
      continue;
    }
    const { base, top } = next.step;
    await merge(parts, look, { ...subject, layers: next.layers, merge: { disk: next.disk, base, top } });
  }
  throw new Error(`Cannot tidy the snapshots of VM "${subject.vm.name}": ${mostSteps} steps led nowhere`);
}

function nextStep({ layers }: SnapshotLook) {
  for (const [disk, each] of layers) {
    const step = nextLayerStep(each);
    if (step.kind !== "none") return { disk, layers: each, step };
  }
  return undefined;
}

/** A merge that was begun and not recorded as done: done it counts, else it is as if it had never begun. */
async function settleMerge(look: SnapshotLook, { merge, options }: Subject & { readonly merge: Merge }): Promise<void> {
  const known = look.layers.get(merge.disk);
  const { merge: _, ...without } = look.record;
  const isDone = known !== undefined && isMerged(known, merge);
  await writeRecord(look, isDone ? afterMerge(look.record) : without, options);
}

async function merge(
  parts: SnapshotParts,
  look: SnapshotLook,
  { vm, options, layers, merge: wanted }: Subject & { readonly layers: DiskLayers; readonly merge: Merge },
): Promise<void> {
  const { libvirt, poolPath } = look;
  const { disk, base, top } = wanted;
  const up = pathUp(layers.layers, top);
  const last = up.at(-1) ?? top;
  const isRunning = look.isOn && chainOf(layers.layers, layers.head).includes(top);
  const target = look.disks.own.find(({ name }) => name === disk)?.target ?? "vda";
  const paths = { basePath: `${poolPath}/${base}`, topPath: `${poolPath}/${top}` };
  const isActive = isRunning ? top === layers.head : top === last;
  const how = { clock: parts.host.clock, options };
  const recorded = { ...look.record, merge: wanted };
  await writeRecord(look, recorded, options);
  if (isRunning) {
    await commit(libvirt, { domain: look.domain, target, isActive, ...paths }, how);
  } else {
    await withHelper(libvirt, { vm, path: `${poolPath}/${last}` }, (domain) =>
      commit(libvirt, { domain, target: "vda", isActive, ...paths }, how),
    );
  }
  parts.usage.forget();
  const after = await lookAtSnapshots(parts, { vm, action: "tidy the snapshots of", options });
  const now = after?.layers.get(disk);
  if (after === undefined || now === undefined) return;
  // With nothing above it, a file that is not in use says nothing of its own: the job's end does.
  const isQuiet = !isRunning && isActive;
  if (!isQuiet && !isMerged(now, wanted)) {
    throw new ProviderError("Internal", `Cannot merge "${top}" into "${base}" for VM "${vm.name}": QEMU gave it up`);
  }
  const record = afterMerge(recorded);
  if (now.head !== top) {
    await writeRecord(after, record, options);
    return;
  }
  if (after.isOn) {
    throw new ProviderError(
      "Unavailable",
      `VM "${vm.name}" was started while its snapshots were tidied; they are next time`,
    );
  }
  await redefine(parts, after, { vm, heads: new Map([[disk, base]]), record, options });
}

/**
 * A domain that never runs, for work on files that nothing else has open. What a killed server left of it is no more than a lock: what it
 * merged reads the same, and is merged again.
 */
export async function withHelper<T>(
  libvirt: Libvirt,
  { vm, path }: { readonly vm: VmIdentity; readonly path: string },
  act: (domain: Domain) => Promise<T>,
): Promise<T> {
  const name = `vivarium-merge-${vm.uid}`;
  await destroyHelper(libvirt, name);
  const domain = await libvirt.domainCreateXml(helperXml(name, path), { flags: DomainCreateFlags.PAUSED });
  try {
    return await act(domain);
  } finally {
    await destroyHelper(libvirt, name);
  }
}

async function destroyHelper(libvirt: Libvirt, name: string): Promise<void> {
  try {
    await libvirt.domainDestroyFlags(await libvirt.domainLookupByName(name));
  } catch (error) {
    if (!isLibvirtError(error, "NO_DOMAIN", "OPERATION_INVALID")) throw error;
  }
}

function helperXml(name: string, path: string): string {
  return renderXml(
    element("domain", { type: "qemu" }, [
      element("name", {}, name),
      element("memory", { unit: "MiB" }, "16"),
      element("vcpu", {}, "1"),
      element("os", {}, [element("type", { arch: "x86_64", machine: "q35" }, "hvm")]),
      element("devices", {}, [
        element("controller", { type: "usb", model: "none" }),
        element("disk", { type: "file", device: "disk" }, [
          element("driver", { name: "qemu", type: "qcow2", discard: "unmap" }),
          element("source", { file: path }),
          element("target", { dev: "vda", bus: "virtio" }),
        ]),
        element("memballoon", { model: "none" }),
      ]),
    ]),
  );
}
