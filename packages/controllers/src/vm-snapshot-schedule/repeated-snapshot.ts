// Keeps a VMSnapshotSchedule for each VMSnapshot whose `spec.schedule` is enabled, and none for others: the form that v1beta1 has for one
// machine is turned into ours, and goes with its VMSnapshot.

import { apiVersionOf, isStatus, VMSnapshot, VMSnapshotSchedule, type OwnerReference } from "@vivarium/api";
import type { VMSnapshotScheduleSpec } from "@vivarium/api";
import { related } from "@vivarium/runtime";
import type { Controller, Manager, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { isDeepStrictEqual } from "node:util";

export function createRepeatedSnapshotController({ manager }: { readonly manager: Manager }): Controller {
  const { client, recorder } = manager;
  const snapshots = manager.cache(VMSnapshot);
  const schedules = manager.cache(VMSnapshotSchedule);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const snapshot = snapshots.get(request);
    if (snapshot === undefined || snapshot.metadata.deletionTimestamp !== undefined) return undefined;
    const there = schedules.get(request);
    const isOurs = there !== undefined && isOwnedBy(there, snapshot);
    const spec = scheduleOf(snapshot);
    if (spec === undefined) {
      if (isOurs) await client.delete(VMSnapshotSchedule, request, { uid: there.metadata.uid ?? "", signal });
      return undefined;
    }
    if (there !== undefined && !isOurs) return refuse(snapshot, "is there and not of this VMSnapshot");
    try {
      if (there === undefined) await client.create(VMSnapshotSchedule, buildSchedule(snapshot, spec), { signal });
      else if (!isDeepStrictEqual({ ...there.spec, ...spec }, there.spec)) {
        await client.update(VMSnapshotSchedule, { ...there, spec }, { signal });
      }
    } catch (error) {
      if (isStatus(error, "Invalid") || isStatus(error, "Forbidden"))
        return refuse(snapshot, `was refused: ${error.message}`);
      throw error;
    }
    return undefined;
  }

  function refuse(snapshot: VMSnapshot, why: string): undefined {
    const message = `spec.schedule has no effect: VMSnapshotSchedule ${snapshot.metadata.name} ${why}`;
    recorder.record(snapshot, { type: "Warning", reason: "ScheduleRefused", message });
  }

  return {
    name: "repeated-snapshot",
    for: VMSnapshot,
    related: [
      related(VMSnapshotSchedule, ({ metadata }) =>
        (metadata.ownerReferences ?? [])
          .filter(({ kind }) => kind === VMSnapshot.kind)
          .map(({ name }) => ({ namespace: metadata.namespace ?? "", name })),
      ),
    ],
    reconcile,
  };
}

/** The wish in our form; undefined where nothing is repeated. */
export function scheduleOf({ spec }: VMSnapshot): VMSnapshotScheduleSpec | undefined {
  const { schedule, vmRef, nameHint: _, ...fields } = spec;
  if (schedule?.enabled !== true) return undefined;
  return {
    // Without one the schedule is refused, by name.
    schedule: schedule.cronSpec ?? "",
    timeZone: schedule.timezone ?? "UTC",
    vmRef,
    suspend: schedule.suspend ?? false,
    concurrencyPolicy: schedule.concurrencyPolicy ?? "Forbid",
    successfulJobsHistoryLimit: schedule.successfulJobsHistoryLimit ?? 3,
    failedJobsHistoryLimit: schedule.failedJobsHistoryLimit ?? 1,
    snapshotTemplate: { spec: fields },
  };
}

function buildSchedule({ metadata }: VMSnapshot, spec: VMSnapshotScheduleSpec): VMSnapshotSchedule {
  const { name, namespace, uid = "" } = metadata;
  const owner: OwnerReference = {
    apiVersion: apiVersionOf(VMSnapshot),
    kind: VMSnapshot.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  };
  return {
    apiVersion: apiVersionOf(VMSnapshotSchedule),
    kind: VMSnapshotSchedule.kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), ownerReferences: [owner] },
    spec,
  };
}

function isOwnedBy({ metadata }: VMSnapshotSchedule, owner: VMSnapshot): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ uid, controller }) => controller === true && uid === owner.metadata.uid,
  );
}
