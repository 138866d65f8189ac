// What the VMClone controller does: one function for each step that takes more than a line.

import {
  clonedByLabel,
  clonedDisksAnnotation,
  formatTime,
  isStatus,
  unlinkAnnotation,
  VirtualMachine,
} from "@vivarium/api";
import type { VMClone } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { ClonedDisk } from "@vivarium/provider";
import { ignoring } from "../ignoring.ts";
import { requestOf } from "../request-of.ts";
import type { OwnStep } from "../steps/step.ts";
import { formatClonedDisks } from "../virtual-machine/resolve/cloned-disks.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { connectionOfMade } from "../vm-host.ts";
import { baseRecordOf } from "./clone-base.ts";
import type { CloneLook, CloneParts } from "./clone-look.ts";
import { reportClone } from "./clone-report.ts";
import { targetOf } from "./clone-target.ts";
import type { CloneSituation, CloneStep } from "./vm-clone-plan.ts";
import type { CloneRecord } from "./vm-clone-record.ts";

export async function takeCloneStep(
  parts: CloneParts,
  object: VMClone,
  { step, look, signal }: { readonly step: OwnStep<CloneStep>; readonly look: CloneLook; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, clock, tasks, bases } = parts;
  const { client } = manager;
  const { record, wish } = look;
  const remember = (next: CloneRecord, situation: CloneSituation): Promise<void> =>
    reportClone(parts, object, { look: { ...look, record: next }, situation, signal });
  switch (step.kind) {
    case "RecordStart":
      await remember({ ...record, startedMs: clock.now() }, { kind: "Preparing", message: "The source is looked at" });
      break;
    case "TakeBase": {
      const machine = wish.source?.kind === "vm" ? wish.source.name : "";
      const base = look.source.snapshot ?? (await bases.take(object, machine, { signal }));
      const message = `Snapshot "${base.metadata.name}" is what it is made from`;
      await remember({ ...record, snapshot: baseRecordOf(base) }, { kind: "Preparing", message });
      break;
    }
    case "CreateTarget":
      await createTarget(parts, object, { look, signal });
      break;
    case "RecordTarget":
      await remember(
        { ...record, stage: "copying", target: step.uid },
        { kind: "Preparing", message: "The target is being prepared" },
      );
      break;
    case "Copy":
      copy(parts, object, look);
      break;
    case "RecordCopied": {
      await tellTarget(parts, look, { disks: step.disks, signal });
      await remember({ ...record, stage: "copied" }, { kind: "Customizing", message: "The target is being made" });
      await tasks.stop(requestOf(object));
      break;
    }
    case "ReleaseBase":
      if (record.snapshot !== undefined) await bases.release(object, record.snapshot, { signal });
      break;
    case "Finish":
      await remember({ ...record, stage: "done" }, { kind: "Ready" });
      manager.recorder.record(object, {
        type: "Normal",
        reason: "CloneCompleted",
        message: `VirtualMachine "${wish.target.name}" is made from ${look.source.name}`,
      });
      break;
    case "AskUnlink": {
      const annotations = { [unlinkAnnotation]: formatTime(new Date(clock.now())) };
      await client.mergePatch(VirtualMachine, wish.target, { metadata: { annotations } }, { signal });
      break;
    }
    case "Fail":
      await fail(parts, object, { ...step, look, signal });
      break;
    case "StopCopy":
      await tasks.stop(requestOf(object));
      break;
    case "DeleteTarget": {
      const uid = look.target?.metadata.uid ?? "";
      await ignoring(["NotFound", "Conflict"], client.delete(VirtualMachine, wish.target, { uid, signal }));
    }
  }
}

async function createTarget(
  parts: CloneParts,
  object: VMClone,
  { look, signal }: { readonly look: CloneLook; readonly signal: AbortSignal },
): Promise<void> {
  const { client } = parts.manager;
  const { origin } = look.source;
  if (origin === undefined) throw new Error(`The source of VMClone "${object.metadata.name}" was there a moment ago`);
  const { vm, leftOut, problems } = targetOf(object, look.wish, origin);
  if (problems.length > 0) {
    await fail(parts, object, { look, reason: "InvalidSpec", message: problems.join("; "), signal });
    return;
  }
  const told = [...leftOut, ...look.wish.notApplied];
  try {
    const made = await client.create(VirtualMachine, vm, { signal });
    const next: CloneLook = {
      ...look,
      target: made,
      record: { ...look.record, stage: "copying", target: made.metadata.uid ?? "" },
    };
    const situation = { kind: "Preparing", message: "The target is being prepared" } as const;
    await reportClone(parts, object, { look: next, situation, signal, leftOut: told });
  } catch (error) {
    if (isStatus(error, "AlreadyExists")) {
      // Ours, of an earlier try, is seen in a moment.
      const there = await client.get(VirtualMachine, look.wish.target, { signal });
      if (there.metadata.labels?.[clonedByLabel] === object.metadata.uid) return;
      const message = `VirtualMachine "${look.wish.target.name}" exists already`;
      await fail(parts, object, { look, reason: "TargetExists", message, signal });
      return;
    }
    if (!isStatus(error, "Invalid") && !isStatus(error, "Forbidden") && !isStatus(error, "NotFound")) throw error;
    await fail(parts, object, { look, reason: "TargetRefused", message: error.message, signal });
  }
}

async function fail(
  parts: CloneParts,
  object: VMClone,
  {
    look,
    reason,
    message,
    signal,
  }: {
    readonly look: CloneLook;
    readonly reason: string;
    readonly message: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const record: CloneRecord = { ...look.record, stage: "failed", failure: { reason, message } };
  await reportClone(parts, object, { look: { ...look, record }, situation: { kind: "CleaningUp" }, signal });
  parts.manager.recorder.record(object, { type: "Warning", reason, message });
}

function copy(
  { tasks, providers, objects, clock }: CloneParts,
  object: VMClone,
  { source, target, wish, input }: CloneLook,
): void {
  const { name } = object.metadata;
  const deadlineMs = Math.max(1_000, (input.startedMs ?? 0) + input.timeoutMs - clock.now());
  const timeoutError = new ProviderError("Timeout", `Cannot copy the disks of clone "${name}" in its time`);
  const { from, copy } = source;
  tasks.start(
    requestOf(object),
    async ({ signal, report }) => {
      const connection = from?.connection ?? (target && connectionOfMade(target, (key) => objects.provider(key)));
      const role = connection && providers.get(connection)?.clones;
      if (role === undefined || target === undefined) {
        throw new ProviderError(
          "Unavailable",
          `Cannot clone: the source's Provider is not connected, or has no clones`,
        );
      }
      const options = { signal, onProgress: report };
      if (copy !== "before-domain" || from === undefined) {
        await role.unlink(identityOf(target), options);
        return [];
      }
      const method = wish.isLinked ? "linked" : "full";
      return role.create(identityOf(target), { method, source: from.source }, options);
    },
    { timeoutMs: deadlineMs, timeoutError },
  );
}

/** Says on the target itself that its disks are whole. */
async function tellTarget(
  { manager }: CloneParts,
  { source, target, wish }: CloneLook,
  { disks, signal }: { readonly disks: readonly ClonedDisk[]; readonly signal: AbortSignal },
): Promise<void> {
  if (target === undefined) return;
  if (source.copy === "after-domain" && wish.powerOn) {
    await manager.client.mergePatch(VirtualMachine, wish.target, { spec: { powerState: "On" } }, { signal });
  }
  if (source.copy !== "before-domain" || disks.length === 0) return;
  const { uid = "" } = target.metadata;
  const names = disks.map(({ name }) => name);
  const annotations = { [clonedDisksAnnotation]: formatClonedDisks(uid, names) };
  await manager.client.mergePatch(VirtualMachine, wish.target, { metadata: { uid, annotations } }, { signal });
}
