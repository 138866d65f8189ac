// From a VMSet's spec to what the plan works with; what cannot be worked with is told by field.

import { InvalidValueError, parseCountOrShare, parseDuration, type VMSet } from "@vivarium/api";
import { whyNotSelected } from "./label-selector.ts";
import { labelsOf } from "./vm-set-machines.ts";
import type { VmSetInput } from "./vm-set-plan.ts";
import { whyNotClaimable } from "./vm-set-volumes.ts";

export interface VmSetWish extends Omit<VmSetInput, "machines" | "currentRevision" | "updateRevision"> {
  /** How long a machine must have been Ready to count as available. */
  readonly minReadyMs: number;
  /** How long one may not be Ready until it counts as broken. */
  readonly unhealthyAfterMs: number;
}

export type VmSetReading =
  | { readonly ok: true; readonly wish: VmSetWish }
  /** For the Ready condition. */
  | { readonly ok: false; readonly reason: "InvalidSelector" | "InvalidSpec"; readonly message: string };

export function readVmSet(set: VMSet): VmSetReading {
  const { spec } = set;
  const mismatch = whyNotSelected(spec.selector, labelsOf(set, spec.template));
  if (mismatch !== undefined) {
    return {
      ok: false,
      reason: "InvalidSelector",
      message: `spec.template.metadata.labels do not match spec.selector: ${mismatch}; nothing is changed until they do`,
    };
  }
  const fault = whyNotClaimable(set) ?? whyNotProbeable(set);
  if (fault !== undefined)
    return { ok: false, reason: "InvalidSpec", message: `${fault}; nothing is changed until then` };
  try {
    return { ok: true, wish: wishOf(set) };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return { ok: false, reason: "InvalidSpec", message: `${error.message}; nothing is changed until then` };
  }
}

function whyNotProbeable({ spec }: VMSet): string | undefined {
  for (const { name, agent, tcpSocket, httpGet, exec } of spec.readinessGates ?? []) {
    const kinds = Object.entries({ agent, tcpSocket, httpGet, exec }).filter(([, demand]) => demand !== undefined);
    if (kinds.length === 1) continue;
    const found = kinds.length === 0 ? "none" : kinds.map(([kind]) => kind).join(", ");
    return `spec.readinessGates "${name}" must have one of agent, tcpSocket, httpGet and exec; it has ${found}`;
  }
  return undefined;
}

function wishOf({ spec }: VMSet): VmSetWish {
  const replicas = spec.replicas ?? 1;
  const strategy = spec.updateStrategy?.type ?? "RollingUpdate";
  const rolling = spec.updateStrategy?.rollingUpdate;
  const share = (field: string, value: string | number, round: "up" | "down"): number => {
    try {
      return parseCountOrShare(value, { of: replicas, round });
    } catch (error) {
      throw new InvalidValueError(`${field}: ${(error as Error).message}`, { field });
    }
  };
  const asked = share("spec.updateStrategy.rollingUpdate.maxUnavailable", rolling?.maxUnavailable ?? "25%", "down");
  const surge = share("spec.updateStrategy.rollingUpdate.maxSurge", rolling?.maxSurge ?? "25%", "up");
  // A machine above the wanted number would have Volumes of its own, empty and left over.
  const maxSurge = strategy === "RollingUpdate" && (spec.volumeClaimTemplates ?? []).length === 0 ? surge : 0;
  return {
    replicas,
    start: spec.ordinals?.start ?? 0,
    strategy,
    // With neither, nothing could ever be replaced.
    limits: {
      maxUnavailable: maxSurge === 0 ? Math.max(1, asked) : asked,
      maxSurge,
      partition: strategy === "RollingUpdate" ? (rolling?.partition ?? 0) : 0,
    },
    isOrdered: rolling?.podManagementPolicy !== "Parallel",
    isPaused: spec.paused ?? false,
    minReadyMs: (spec.minReadySeconds ?? 0) * 1000,
    unhealthyAfterMs: parseDuration(spec.healing?.unhealthyAfter ?? "15m"),
    ...(spec.healing === undefined
      ? {}
      : { maxUnhealthy: share("spec.healing.maxUnhealthy", spec.healing.maxUnhealthy ?? "40%", "up") }),
  };
}
