// Writes what is so of a clone into its status.

import { clonedDisksAnnotation, linkedToLabel, VMClone } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { writeStatus } from "@vivarium/runtime";
import type { CloneLook, CloneParts } from "./clone-look.ts";
import type { ResolvedSource } from "./clone-source.ts";
import type { CloneSituation } from "./vm-clone-plan.ts";
import { cloneStatusOf } from "./vm-clone-status.ts";

export async function reportClone(
  { manager, clock, bases }: CloneParts,
  object: VMClone,
  {
    look: { wish, record, source, target },
    situation,
    signal,
    leftOut,
  }: {
    readonly look: CloneLook;
    readonly situation: CloneSituation;
    readonly signal: AbortSignal;
    readonly leftOut?: readonly string[];
  },
): Promise<void> {
  const mine = target !== undefined && target.metadata.uid === record.target ? target : undefined;
  const status = cloneStatusOf(object, {
    situation,
    record,
    wish,
    sourceName: source.name,
    snapshot: bases.find(object, record.snapshot),
    targetVmId: mine?.status?.id,
    isLinked: mine && isLinkedNow(mine, source),
    nowMs: clock.now(),
  });
  const disks = mine?.metadata.annotations?.[clonedDisksAnnotation]?.split("/")[1]?.split(",");
  const next = {
    ...status,
    ...(disks === undefined ? {} : { disks }),
    ...(leftOut === undefined || leftOut.length === 0 ? {} : { leftOut: [...leftOut] }),
  };
  await writeStatus(manager.client, { type: VMClone, object, status: next }, { signal });
}

function isLinkedNow(target: VirtualMachine, { copy }: ResolvedSource): boolean {
  return copy === "none" || target.metadata.labels?.[linkedToLabel] !== undefined;
}
