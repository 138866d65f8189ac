// Takes a snapshot with its disks frozen where they are: libvirt puts a new file onto each, all of them at one instant. The new files are
// named after the snapshot, so that a domain that has them says that it was taken, also when we did not live to record it.

import { DomainSnapshotCreateFlags, isLibvirtError } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { SnapshotCallOptions, SnapshotRequest, VmIdentity } from "@vivarium/provider";
import { memoryVolumeName, nvramVolumeName, overlayVolumeName } from "../names.ts";
import { element, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import { writeRecord } from "./define.ts";
import { watchJob } from "./jobs.ts";
import { requireLook } from "./look.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";
import type { SnapshotPlan } from "./method.ts";
import { copyNvram } from "./nvram.ts";
import type { RecordedSnapshot } from "./record.ts";

/** As long as a large memory takes to be written. */
const createTimeoutMs = 3_600_000;
const { DISK_ONLY, ATOMIC, NO_METADATA, QUIESCE, LIVE } = DomainSnapshotCreateFlags;

interface Creation {
  readonly vm: VmIdentity;
  readonly request: SnapshotRequest;
  readonly plan: SnapshotPlan;
  readonly options: SnapshotCallOptions | undefined;
}

/** Whether the domain's disks are the files that this snapshot begins, so that it was taken. */
export function isTaken(vm: VmIdentity, uid: string, { disks }: SnapshotLook): boolean {
  return disks.own.some(({ name, head }) => head === overlayVolumeName(vm, name, { uid }));
}

export async function createExternal(parts: SnapshotParts, look: SnapshotLook, creation: Creation): Promise<void> {
  const { vm, request, plan, options } = creation;
  const { pool, usage } = parts;
  const hasMemory = plan.consistency === "memory";
  await removeLeft(parts, look, creation);
  if (hasMemory) await requireSpace(parts, look, creation);
  const nvram = await copyNvram(parts, look, { to: nvramVolumeName(vm, request.uid), hasMemory, options });
  const flags =
    ATOMIC |
    NO_METADATA |
    (hasMemory ? (look.power === "running" ? LIVE : 0) : DISK_ONLY) |
    (plan.consistency === "filesystem" ? QUIESCE : 0);
  const { libvirt, domain } = look;
  const watching = hasMemory ? watchJob(parts, { domain, options }) : undefined;
  try {
    await libvirt.domainSnapshotCreateXml(domain, renderXml(snapshotXml(look, creation)), {
      ...options,
      flags,
      timeoutMs: createTimeoutMs,
    });
  } catch (error) {
    if (plan.consistency === "filesystem" && isLibvirtError(error, "AGENT_UNRESPONSIVE", "OPERATION_FAILED")) {
      const message = `Cannot take a snapshot of VM "${vm.name}": the guest agent did not hold the file systems still: ${error.message}`;
      throw new ProviderError("Unavailable", message, { cause: error });
    }
    throw error;
  } finally {
    await watching?.stop();
  }
  usage.forget();
  await pool.refresh(options);
  await recordTaken(parts, { vm, request, plan, ...(nvram === undefined ? {} : { nvram }), options });
}

/** Writes down a snapshot that was taken: what was frozen is what its files back onto. */
export async function recordTaken(
  parts: SnapshotParts,
  taken: Omit<Creation, "plan"> & { readonly plan?: SnapshotPlan; readonly nvram?: string },
): Promise<void> {
  const { vm, request, plan, options } = taken;
  const look = await requireLook(parts, { vm, action: "record a snapshot of", options });
  const { record, disks, volumes, layers } = look;
  const { uid, name } = request;
  const memory = memoryVolumeName(vm, uid);
  const nvram = nvramVolumeName(vm, uid);
  const names = new Set(await parts.pool.names(options));
  const snapshot: RecordedSnapshot = {
    uid,
    name,
    createdAtMs: parts.host.clock.now(),
    ...(record.current === undefined ? {} : { parent: record.current }),
    // Of one that was taken before a crash it is not known what the agent did.
    consistency: plan?.consistency ?? (names.has(memory) ? "memory" : look.isOn ? "crash" : "off"),
    disks: disks.own.flatMap(({ name: disk, head }) => {
      const base = layers.get(disk)?.layers.find(({ volume }) => volume === head)?.base;
      return head === overlayVolumeName(vm, disk, { uid }) && base !== undefined && volumes.has(base)
        ? [{ disk, volume: base }]
        : [];
    }),
    leftOut: [...disks.volumes, ...disks.readOnly].map(({ disk }) => disk),
    ...(names.has(memory) ? { memory } : {}),
    ...(names.has(nvram) ? { nvram } : {}),
  };
  const next = { ...record, snapshots: [...record.snapshots, snapshot], current: uid };
  await writeRecord(look, next, options);
}

/** Files of a try that did not come to its end: nothing has them, and nothing backs onto them. */
async function removeLeft(
  { pool }: SnapshotParts,
  { disks, layers }: SnapshotLook,
  { vm, request, options }: Creation,
): Promise<void> {
  const names = new Set(await pool.names(options));
  const { uid } = request;
  for (const { name } of disks.own) {
    const overlay = overlayVolumeName(vm, name, { uid });
    if (!names.has(overlay)) continue;
    const known = layers.get(name);
    if (known?.frozen.has(overlay) === true || known?.layers.some(({ base }) => base === overlay) === true) {
      const message = `Cannot take a snapshot of VM "${vm.name}": file "${overlay}" is there and belongs to another snapshot`;
      throw new ProviderError("Conflict", message);
    }
    await pool.delete(overlay, options);
  }
  for (const left of [memoryVolumeName(vm, uid), nvramVolumeName(vm, uid)]) {
    if (names.has(left)) await pool.delete(left, options);
  }
}

/** Found before the guest is touched: memory that finds no room would stop at the last byte. */
async function requireSpace({ pool }: SnapshotParts, { view }: SnapshotLook, { vm, options }: Creation): Promise<void> {
  const { availableBytes } = await pool.use(
    "ask for free space",
    ({ libvirt, pool: storage }) => libvirt.storagePoolGetInfo(storage, options),
    options,
  );
  if (availableBytes > view.memoryBytes) return;
  const message = `Cannot take a snapshot of VM "${vm.name}" with its memory: that takes up to ${view.memoryBytes} bytes, the pool has ${availableBytes} free`;
  throw new ProviderError("NoSpace", message);
}

function snapshotXml({ disks, poolPath }: SnapshotLook, { vm, request, plan }: Creation): XmlElement {
  const none = [...disks.volumes, ...disks.readOnly].map(({ target }) => target);
  return element("domainsnapshot", {}, [
    element("name", {}, request.uid),
    plan.consistency === "memory"
      ? element("memory", { snapshot: "external", file: `${poolPath}/${memoryVolumeName(vm, request.uid)}` })
      : element("memory", { snapshot: "no" }),
    element("disks", {}, [
      ...disks.own.map(({ name, target }) =>
        element("disk", { name: target, snapshot: "external", type: "file" }, [
          element("driver", { type: "qcow2" }),
          element("source", { file: `${poolPath}/${overlayVolumeName(vm, name, request)}` }),
        ]),
      ),
      ...[...none, ...disks.seed].map((target) => element("disk", { name: target, snapshot: "no" })),
    ]),
  ]);
}
