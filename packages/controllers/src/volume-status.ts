// A Volume's status from what was decided and seen. Pure.

import { formatQuantity, roundQuantity, setCondition } from "@vivarium/api";
import type { Volume, VolumeStatus } from "@vivarium/api";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";
import { humanSize } from "./human-size.ts";
import type { VolumeInput, VolumeSituation, VolumeStep } from "./volume-plan.ts";

export function volumeStatusOf(
  volume: Volume,
  { situation, input, now }: { readonly situation: VolumeSituation; readonly input: VolumeInput; readonly now: Date },
): VolumeStatus {
  const ready = readyOf(situation, input);
  const observed = observedGenerationOf(volume);
  const { usedBy: _, ...kept } = volume.status ?? {};
  const seen = input.seen.kind === "present" && input.stage === "created" ? input.seen : undefined;
  let conditions = setCondition(kept.conditions, { type: "Ready", ...ready, ...observed }, { now });
  const resized = resizedOf(situation, input);
  if (resized !== undefined)
    conditions = setCondition(conditions, { type: "Resized", ...resized, ...observed }, { now });
  const needing = [...new Set([...input.users, ...input.referrers])].toSorted();
  const wasSeen = input.seen.kind === "present" || input.seen.kind === "absent";
  const usedBy = wasSeen ? needing : (volume.status?.usedBy ?? []);
  return {
    ...kept,
    phase: phaseOf(situation, input),
    message: ready.message,
    ...(seen === undefined
      ? {}
      : {
          path: seen.path,
          format: seen.format,
          capacityBytes: seen.capacityBytes,
          allocationBytes: seen.allocationBytes,
          capacity: formatQuantity(seen.capacityBytes),
          allocation: roundQuantity(seen.allocationBytes),
        }),
    ...(usedBy.length === 0 ? {} : { usedBy: [...usedBy] }),
    ...observed,
    conditions,
  };
}

function phaseOf(situation: VolumeSituation, input: VolumeInput): NonNullable<VolumeStatus["phase"]> {
  if (input.isDeleting) return "Deleting";
  switch (situation.kind) {
    case "Ready":
    case "ShrinkRefused":
    case "GrowRefused":
      return "Ready";
    case "Lost":
      return "Lost";
    case "Failed":
      return input.stage === "created" ? "Ready" : "Failed";
    case "Waiting":
      return input.stage === "created" ? "Ready" : "Pending";
    case "Unavailable":
      return input.stage === "created" ? "Ready" : "Pending";
    case "Working":
      return input.stage === "created" ? "Ready" : "Creating";
    case "Gone":
    case "Protected":
    case "InUse":
      return "Deleting";
  }
}

function readyOf(situation: VolumeSituation, input: VolumeInput): Verdict {
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  const yes: Verdict = { status: "True", reason: "Ready", message: "The volume is there" };
  switch (situation.kind) {
    case "Ready":
      return yes;
    case "ShrinkRefused":
    case "GrowRefused":
      return { ...yes, message: resizedOf(situation, input)?.message ?? yes.message };
    case "Lost":
      return no(
        "VolumeLost",
        "The volume was there and is gone from its pool, by nobody here. It is not replaced by an empty one: put it back, or delete this object",
      );
    case "Waiting":
    case "Failed":
      return no(situation.problem.reason, situation.problem.message);
    case "Unavailable":
      return {
        status: "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot look at the volume: ${situation.message}`,
      };
    case "Protected":
      return no(
        "DeletionProtected",
        "It is to be deleted, and spec.deletionProtection is true: set it to false to let it go",
      );
    case "InUse":
      return no("InUse", `Cannot be deleted while it is in use by ${situation.users.join(", ")}`);
    case "Working":
      return input.stage === "created" ? yes : no(...workOf(situation.step));
    case "Gone":
      return no("Deleted", "Deleted");
  }
}

function workOf(step: VolumeStep["kind"]): readonly [reason: string, message: string] {
  switch (step) {
    case "Discard":
      return ["Creating", "What an interrupted try left is removed"];
    case "Remove":
    case "RemoveFinalizer":
      return ["Deleting", "The volume is being removed"];
    case "AddFinalizer":
    case "RecordCreating":
    case "Create":
    case "RecordCreated":
    case "Grow":
    case "Settle":
      return ["Creating", "The volume is being made"];
  }
}

function resizedOf(situation: VolumeSituation, input: VolumeInput): Verdict | undefined {
  if (input.stage !== "created" || input.seen.kind !== "present") return undefined;
  switch (situation.kind) {
    case "ShrinkRefused":
      return {
        status: "False",
        reason: "ShrinkRefused",
        message: `spec.size is less than the ${humanSize(situation.sizeBytes)} that the volume has: volumes do not shrink, for what lies beyond would be lost`,
      };
    case "GrowRefused":
      return { status: "False", reason: "PoolFull", message: `Cannot be grown: ${situation.why}` };
    case "Ready":
      return { status: "True", reason: "AsDeclared", message: `It has ${humanSize(input.seen.capacityBytes)}` };
    default:
      return undefined;
  }
}
