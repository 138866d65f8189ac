// Making a linked clone independent: an annotation on the machine asks for it, work in the background does it, and the annotation goes with
// the label that says what the machine is linked to. Pure.

import { isProviderError, ProviderError } from "@vivarium/provider";
import type { CloneProgress } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { sharesOf } from "./clone-shares.ts";

export interface UnlinkInput {
  readonly nowMs: number;
  readonly isAsked: boolean;
  readonly isDeleting: boolean;
  /** There is a domain, whose disks can be looked at. */
  readonly isMade: boolean;
  readonly isConnected: boolean;
  readonly task: TaskState<void, CloneProgress>;
}

export type UnlinkStep =
  | { readonly kind: "Forget" }
  | { readonly kind: "Work" }
  /** Takes annotation and label away. */
  | { readonly kind: "Finish" }
  | { readonly kind: "Tell"; readonly error: ProviderError; readonly retryAtMs: number }
  /** `percentage` is written, where it is known. */
  | { readonly kind: "Wait"; readonly lookAgainAtMs?: number; readonly percentage?: number };

const lookMs = 10_000;
const firstRetryMs = 5_000;
const longestRetryMs = 300_000;

export function decideUnlink({ nowMs, isAsked, isDeleting, isMade, isConnected, task }: UnlinkInput): UnlinkStep {
  if (!isAsked || isDeleting) return { kind: "Forget" };
  if (!isMade || !isConnected) return { kind: "Wait", lookAgainAtMs: nowMs + lookMs };
  switch (task.kind) {
    case "none":
      return { kind: "Work" };
    case "running":
      if (task.progress === undefined) return { kind: "Wait" };
      return { kind: "Wait", percentage: Math.floor(100 * sharesOf(task.progress).overall) };
    case "done":
      return { kind: "Finish" };
    case "failed": {
      const retryAtMs = task.failedMs + Math.min(firstRetryMs * 2 ** Math.min(task.failures - 1, 10), longestRetryMs);
      if (nowMs >= retryAtMs) return { kind: "Work" };
      const error = isProviderError(task.error) ? task.error : new ProviderError("Internal", String(task.error));
      return { kind: "Tell", error, retryAtMs };
    }
  }
}
