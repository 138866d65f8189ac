// Snapshots of a VM: which method one is taken by, and the roles of the contract. Everything that changes them is done one after another for
// each VM.

import type { CallOptions, SnapshotObservation, SnapshotRole, VmIdentity } from "@vivarium/provider";
import { findOwnDomain } from "../domain/lookup.ts";
import { memoryVolumeName, nvramVolumeName } from "../names.ts";
import { VmTurns } from "../vm-turns.ts";
import { collect } from "./collect.ts";
import { createExternal, isTaken, recordTaken } from "./create.ts";
import { writeRecord } from "./define.ts";
import { createInternal, internalsOf, removeInternal, revertInternal } from "./internal.ts";
import { lookAtSnapshots, requireLook } from "./look.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";
import { planSnapshot } from "./method.ts";
import type { SnapshotSubject } from "./method.ts";
import { withoutSnapshot } from "./record.ts";
import type { RecordedSnapshot } from "./record.ts";
import { revertExternal } from "./revert.ts";

export function createSnapshots(parts: SnapshotParts): SnapshotRole {
  const { host, pool, usage } = parts;
  const turns = new VmTurns();
  return {
    list: (vm, options) => list(parts, vm, options),

    create: (vm, request, options) =>
      turns.take(vm.uid, () =>
        host.attempt(
          `take a snapshot of VM "${vm.name}"`,
          async (libvirt) => {
            const look = await requireLook(parts, { vm, action: "take a snapshot of", options });
            const internals = await internalsOf(libvirt, { vm, domain: look.domain, options });
            if (look.record.snapshots.some(({ uid }) => uid === request.uid)) return;
            if (internals.some(({ uid }) => uid === request.uid)) return;
            if (isTaken(vm, request.uid, look)) return recordTaken(parts, { vm, request, options });
            const plan = planSnapshot(vm.name, subjectOf(look, internals.length > 0), request);
            if (plan.method === "internal") return createInternal(parts, look, { request, options });
            await host.definitions.take(vm.uid, () => createExternal(parts, look, { vm, request, plan, options }));
          },
          options,
        ),
      ),

    revert: (vm, { uid, requestId }, options) =>
      turns.take(vm.uid, () =>
        host.attempt(
          `revert VM "${vm.name}"`,
          async (libvirt) => {
            const look = await requireLook(parts, { vm, action: "revert", options });
            const internals = await internalsOf(libvirt, { vm, domain: look.domain, options });
            if (internals.some((snapshot) => snapshot.uid === uid)) {
              await revertInternal(parts, look, { vm, uid, requestId, options });
              return;
            }
            await revertExternal(parts, { vm, uid, requestId, options });
            usage.forget();
            await collect(parts, { vm, options });
          },
          options,
        ),
      ),

    remove: (vm, uid, options) =>
      turns.take(vm.uid, () =>
        host.attempt(
          `remove a snapshot of VM "${vm.name}"`,
          async (libvirt) => {
            const look = await lookAtSnapshots(parts, { vm, action: "remove a snapshot of", options });
            if (look === undefined) return;
            const internals = await internalsOf(libvirt, { vm, domain: look.domain, options });
            if (internals.some((snapshot) => snapshot.uid === uid)) return removeInternal(look, { uid, options });
            const without = withoutSnapshot(look.record, uid);
            if (without !== look.record) await writeRecord(look, without, options);
            // Of one that was never recorded, too.
            for (const volume of [memoryVolumeName(vm, uid), nvramVolumeName(vm, uid)])
              await pool.delete(volume, options);
            await collect(parts, { vm, options });
          },
          options,
        ),
      ),
  };
}

function subjectOf(
  { hasSavedMemory, view, power, isOn, disks, record }: SnapshotLook,
  hasInternal: boolean,
): SnapshotSubject {
  return {
    isOn,
    power,
    hasSavedMemory,
    agentConnected: view.agentConnected,
    firmware: view.isEfi ? "UEFI" : "BIOS",
    hasTpm: view.hasTpm,
    own: disks.own.map(({ name }) => name),
    volumes: disks.volumes,
    strange: disks.strange,
    has: new Set([
      ...(record.snapshots.length > 0 ? (["external"] as const) : []),
      ...(hasInternal ? (["internal"] as const) : []),
    ]),
  };
}

async function list(
  { host, pool }: SnapshotParts,
  vm: VmIdentity,
  options: CallOptions | undefined,
): Promise<readonly SnapshotObservation[]> {
  const action = "list the snapshots of";
  return host.attempt(
    `${action} VM "${vm.name}"`,
    async (libvirt) => {
      const own = await findOwnDomain(libvirt, { vm, options, action });
      if (own === undefined) return [];
      const { snapshots, current } = own.view.snapshots;
      const external = await Promise.all(
        snapshots.map((snapshot) => observe(snapshot, { isCurrent: snapshot.uid === current, pool, options })),
      );
      return [...external, ...(await internalsOf(libvirt, { vm, domain: own.domain, options }))];
    },
    options,
  );
}

async function observe(
  { uid, name, createdAtMs, parent, consistency, disks, leftOut, memory, nvram }: RecordedSnapshot,
  {
    isCurrent,
    pool,
    options,
  }: { readonly isCurrent: boolean; readonly pool: SnapshotParts["pool"]; readonly options: CallOptions | undefined },
): Promise<SnapshotObservation> {
  const names = disks.map(({ volume }) => volume);
  const views = await Promise.all(
    [...names, memory, nvram].filter((each) => each !== undefined).map((each) => pool.find(each, options)),
  );
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
  const known = views.filter((view) => view !== undefined);
  return {
    uid,
    name,
    createdAtMs,
    ...(parent === undefined ? {} : { parent }),
    isCurrent,
    method: "external",
    consistency,
    hasMemory: memory !== undefined,
    disks: disks.map(({ disk }) => disk),
    leftOut,
    sizeBytes: sum(known.map(({ allocationBytes }) => allocationBytes)),
    virtualSizeBytes: sum(known.filter((view) => names.includes(view.name)).map(({ capacityBytes }) => capacityBytes)),
  };
}
