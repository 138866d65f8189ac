// Goes back to a snapshot: its frozen files stay as they are, and the VM gets new ones that begin there. libvirt before 9.9 cannot do it by
// itself, and no libvirt does it in one step with a record of it.

import { DomainSaveRestoreFlags, isLibvirtError } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { SnapshotCallOptions, VmIdentity } from "@vivarium/provider";
import { overlayVolumeName } from "../names.ts";
import { parseXml, renderXml } from "../xml/element.ts";
import { redefine, withHeads, writeRecord } from "./define.ts";
import { requireLook } from "./look.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";
import { restoreNvram } from "./nvram.ts";
import { withSnapshotRecord } from "./record.ts";
import type { RecordedSnapshot } from "./record.ts";

const restoreTimeoutMs = 3_600_000;
const mostTurns = 100_000;

interface Reverting {
  readonly vm: VmIdentity;
  readonly uid: string;
  readonly requestId: string;
  readonly options: SnapshotCallOptions | undefined;
}

export async function revertExternal(parts: SnapshotParts, reverting: Reverting): Promise<void> {
  const { vm, uid, requestId, options } = reverting;
  const action = "revert";
  let look = await requireLook(parts, { vm, action, options });
  const snapshot = look.record.snapshots.find((each) => each.uid === uid);
  if (look.record.reverted !== requestId) {
    if (snapshot === undefined)
      throw new ProviderError("NotFound", `Cannot revert VM "${vm.name}": it has no snapshot ${uid}`);
    requireFiles(look, { vm, snapshot });
    if (look.isOn) {
      await powerOff(look, options);
      look = await requireLook(parts, { vm, action, options });
    }
    // Memory of another time, which the next start would bring back onto these disks.
    if (look.hasSavedMemory) await look.libvirt.domainManagedSaveRemove(look.domain, options);
    if (snapshot.nvram !== undefined) await restoreNvram(parts, look, { from: snapshot.nvram, options });
    await goBack(parts, look, { ...reverting, snapshot });
    look = await requireLook(parts, { vm, action, options });
  }
  if (snapshot?.memory === undefined || look.record.restoring !== uid) return;
  await restoreMemory(look, { memory: snapshot.memory, options });
  const { restoring: _, ...done } = look.record;
  await writeRecord({ ...look, isOn: true }, done, options);
}

function requireFiles(
  { volumes, disks }: SnapshotLook,
  { vm, snapshot }: { readonly vm: VmIdentity; readonly snapshot: RecordedSnapshot },
): void {
  const missing = snapshot.disks.filter(({ volume }) => !volumes.has(volume)).map(({ volume }) => volume);
  if (missing.length > 0) {
    throw new ProviderError(
      "Conflict",
      `Cannot revert VM "${vm.name}": files of the snapshot are gone: ${missing.join(", ")}`,
    );
  }
  const present = new Set(disks.own.map(({ name }) => name));
  const without = snapshot.disks.filter(({ disk }) => !present.has(disk)).map(({ disk }) => disk);
  if (without.length > 0) {
    throw new ProviderError(
      "Conflict",
      `Cannot revert VM "${vm.name}": the snapshot has disks that the VM has no more: ${without.join(", ")}. Put them back into its spec first`,
    );
  }
  if (snapshot.memory === undefined) return;
  const frozen = new Set(snapshot.disks.map(({ disk }) => disk));
  const since = [...present].filter((disk) => !frozen.has(disk));
  if (since.length > 0 || disks.volumes.length > 0) {
    const names = [...since, ...disks.volumes.map(({ disk }) => disk)].join(", ");
    throw new ProviderError(
      "Conflict",
      `Cannot revert VM "${vm.name}": its memory of then knows nothing of disks ${names}. Take them out of its spec first`,
    );
  }
}

async function powerOff({ libvirt, domain }: SnapshotLook, options: SnapshotCallOptions | undefined): Promise<void> {
  try {
    await libvirt.domainDestroyFlags(domain, options);
  } catch (error) {
    // Went off by itself meanwhile.
    if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
  }
}

/** New files onto the frozen ones; then the domain has them and the record says so, in one step. */
async function goBack(
  parts: SnapshotParts,
  look: SnapshotLook,
  { vm, uid, requestId, snapshot, options }: Reverting & { readonly snapshot: RecordedSnapshot },
): Promise<void> {
  const { pool } = parts;
  const heads = new Map<string, string>();
  const names = new Set(await pool.names(options));
  for (const { disk, volume } of snapshot.disks) {
    const frozen = look.volumes.get(volume);
    const head = look.disks.own.find(({ name }) => name === disk)?.head ?? volume;
    const name = freeName(vm, { disk, uid, names });
    const spec = {
      name,
      format: "qcow2",
      // A disk that was grown since stays so.
      capacityBytes: Math.max(frozen?.capacityBytes ?? 0, look.volumes.get(head)?.capacityBytes ?? 0),
      allocationBytes: 0,
      backing: { path: `${look.poolPath}/${volume}`, format: "qcow2" },
    } as const;
    await pool.create(spec, options);
    heads.set(disk, name);
  }
  const { restoring: _, ...record } = look.record;
  const next = {
    ...record,
    current: uid,
    reverted: requestId,
    ...(snapshot.memory === undefined ? {} : { restoring: uid }),
  };
  await redefine(parts, look, { vm, heads, record: next, options });
}

function freeName(
  vm: VmIdentity,
  { disk, uid, names }: { readonly disk: string; readonly uid: string; readonly names: ReadonlySet<string> },
): string {
  for (let turn = 1; turn < mostTurns; turn += 1) {
    const name = overlayVolumeName(vm, disk, { uid, turn });
    if (!names.has(name)) return name;
  }
  throw new ProviderError("Conflict", `Cannot revert VM "${vm.name}": it was reverted to the snapshot too often`);
}

/** The memory knows the domain as it was then; it gets the new files and the present record. */
async function restoreMemory(
  look: SnapshotLook,
  { memory, options }: { readonly memory: string; readonly options: SnapshotCallOptions | undefined },
): Promise<void> {
  const { libvirt, poolPath, disks, record, isOn } = look;
  // Between the memory's return and its record a server was lost.
  if (isOn) return;
  const path = `${poolPath}/${memory}`;
  const saved = parseXml(await libvirt.domainSaveImageGetXmlDesc(path, { ...options, flags: 1 }));
  const heads = new Map(disks.own.map(({ name, head }) => [name, head]));
  const { restoring: _, ...done } = record;
  const xml = withSnapshotRecord(withHeads(saved, { own: disks.own, heads, poolPath }), done);
  await libvirt.domainRestoreFlags(path, {
    ...options,
    xml: renderXml(xml),
    flags: DomainSaveRestoreFlags.RUNNING,
    timeoutMs: restoreTimeoutMs,
  });
}
