// The StoragePool policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   adopted: seen ─► reported                                        deleted ─► let go of
//   made:    Check ─► RecordPlacement ─► Create ─► Start, Refresh    deleted ─► Remove (once empty) ─► let go of

import type { PoolDefinition, PoolObservation, PoolRef } from "@vivarium/provider";
import type { Unavailable } from "./or-unavailable.ts";
import type { PlacedSituation } from "./placed/placed-situation.ts";
import { settle } from "./steps/step.ts";
import type { FinalizerStep, Settle } from "./steps/step.ts";

export interface StorageProblem {
  readonly reason: string;
  readonly message: string;
}

export type PoolTarget =
  | { readonly kind: "adopt"; readonly ref: PoolRef }
  | { readonly kind: "create"; readonly ref: Extract<PoolRef, { kind: "made" }>; readonly definition: PoolDefinition }
  | { readonly kind: "problem"; readonly problem: StorageProblem };

export interface PoolInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isForcedDelete: boolean;
  readonly target: PoolTarget;
  /** Absent: there is none, or none can be told; `target` says why where that matters. */
  readonly provider?: string;
  /** Where something was, or may have been, made. */
  readonly madeOn?: string;
  readonly seen: PoolObservation | Unavailable;
  /** Volume objects in it. */
  readonly volumes: readonly string[];
  readonly refreshedAtMs?: number;
  readonly done: ReadonlySet<string>;
}

export type PoolStep =
  | FinalizerStep
  | { readonly kind: "Check"; readonly definition: PoolDefinition }
  | { readonly kind: "RecordPlacement"; readonly provider: string }
  | { readonly kind: "Create"; readonly definition: PoolDefinition }
  | { readonly kind: "Start"; readonly ref: PoolRef }
  | { readonly kind: "Refresh"; readonly ref: PoolRef }
  | { readonly kind: "Remove"; readonly ref: Extract<PoolRef, { kind: "made" }> }
  | Settle<PlacedSituation>;

/** How often the host is asked to look at what lies there. */
export const refreshEveryMs = 60_000;

export function decidePool(input: PoolInput): PoolStep {
  const { target, seen, nowMs, provider } = input;
  if (input.isDeleting) return decideDelete(input);
  if (target.kind === "problem") return settle({ kind: "Problem", problem: target.problem });
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", error: seen.error }, nowMs + 10_000);
    case "foreign": {
      const message = `A pool of that name on the hypervisor was not made for this object (${seen.reason}) and is left alone: adopt it, or choose another name`;
      return settle({ kind: "Problem", problem: { reason: "NameConflict", message } }, nowMs + refreshEveryMs);
    }
    case "absent": {
      if (target.kind === "adopt") {
        const message = `The hypervisor has no pool "${target.ref.name}"`;
        return settle({ kind: "Problem", problem: { reason: "PoolNotFound", message } }, nowMs + 10_000);
      }
      if (!input.done.has("Check")) return { kind: "Check", definition: target.definition };
      if (provider !== undefined && input.madeOn !== provider) return { kind: "RecordPlacement", provider };
      return { kind: "Create", definition: target.definition };
    }
    case "present":
      break;
  }
  if (!seen.isActive) {
    // Somebody stopped an adopted pool, and it is theirs.
    return target.kind === "adopt" ? settle({ kind: "Inactive" }, nowMs + 10_000) : { kind: "Start", ref: target.ref };
  }
  if (target.kind === "create" && seen.type !== target.definition.type) {
    const message = `spec.create.type is "${target.definition.type}", the pool is of type "${seen.type}": a pool keeps its type`;
    return settle({ kind: "Problem", problem: { reason: "InvalidSpec", message } });
  }
  const dueMs = (input.refreshedAtMs ?? Number.NEGATIVE_INFINITY) + refreshEveryMs;
  if (dueMs <= nowMs && !input.done.has("Refresh")) return { kind: "Refresh", ref: target.ref };
  return settle({ kind: "Ready" }, nowMs + refreshEveryMs);
}

function decideDelete(input: PoolInput): PoolStep {
  const { seen, target, nowMs } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  if (input.volumes.length > 0) return settle({ kind: "InUse", users: input.volumes }, input.nowMs + 5_000);
  // Nothing was made, or there is nothing left to ask.
  if (input.madeOn === undefined || target.kind !== "create" || input.isForcedDelete)
    return { kind: "RemoveFinalizer" };
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", error: seen.error }, nowMs + 10_000);
    case "absent":
    case "foreign":
      return { kind: "RemoveFinalizer" };
    case "present":
      return { kind: "Remove", ref: target.ref };
  }
}
