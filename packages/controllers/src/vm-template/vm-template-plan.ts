// The VMTemplate policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   none ──TakeBase──► copying ──Copy, RecordMade──► made ──ReleaseBase──► made ──delete──► Remove, RemoveFinalizer

import { isProviderError } from "@vivarium/provider";
import type { ClonedDisk, CloneProgress } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import { problemOf } from "../steps/problem-of.ts";
import type { SourceState } from "../vm-clone/vm-clone-plan.ts";

export interface TemplateInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isForcedDelete: boolean;
  readonly stage: "none" | "copying" | "made" | "failed";
  /** It was said, durably, where it is to lie; before that nothing is made. */
  readonly isPlaced: boolean;
  readonly source: SourceState;
  readonly copy: TaskState<readonly ClonedDisk[], CloneProgress>;
  readonly removal: TaskState<void, never>;
  /** Names of machines whose disks back onto it, and of clones that are being made of it. */
  readonly usedBy: readonly string[];
  /** A snapshot was taken for it that nothing needs any more. */
  readonly hasIdleBase: boolean;
}

export type TemplateSituation =
  | { readonly kind: "Gone" }
  | { readonly kind: "Waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "Preparing"; readonly message: string }
  | { readonly kind: "Copying"; readonly progress?: CloneProgress; readonly startedMs: number }
  | { readonly kind: "Ready" }
  /** As recorded. */
  | { readonly kind: "Failed" }
  | { readonly kind: "Deleting" }
  | { readonly kind: "DeleteWaits"; readonly reason: string; readonly message: string };

export type TemplateStep =
  | FinalizerStep
  /** Takes a snapshot of the source, or the one that is named, and says so, durably, before anything is made of it. */
  | { readonly kind: "TakeBase" }
  | { readonly kind: "RecordCopying" }
  /** Work in the background; its end asks for another look. */
  | { readonly kind: "Copy" }
  | { readonly kind: "RecordMade"; readonly disks: readonly ClonedDisk[] }
  | { readonly kind: "ReleaseBase" }
  | { readonly kind: "Fail"; readonly reason: string; readonly message: string }
  | { readonly kind: "StopCopy" }
  | { readonly kind: "Remove" }
  | Settle<TemplateSituation>;

const lookMs = 10_000;
const mostFailures = 4;
const firstRetryMs = 5_000;

export function decideTemplate(input: TemplateInput): TemplateStep {
  if (input.isDeleting) return decideDelete(input);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  if ((input.stage === "made" || input.stage === "failed") && input.hasIdleBase) return { kind: "ReleaseBase" };
  switch (input.stage) {
    case "made":
      return settle({ kind: "Ready" });
    case "failed":
      return settle({ kind: "Failed" });
    case "none":
    case "copying":
      return decideMaking(input);
  }
}

function decideMaking({ stage, source, copy, nowMs }: TemplateInput): TemplateStep {
  if (copy.kind === "done") return { kind: "RecordMade", disks: copy.result };
  if (copy.kind === "running") {
    const { startedMs, progress } = copy;
    return settle({ kind: "Copying", startedMs, ...(progress === undefined ? {} : { progress }) });
  }
  switch (source.kind) {
    case "wrong":
      return { kind: "Fail", reason: source.reason, message: source.message };
    case "waiting":
      return settle({ kind: "Waiting", reason: source.reason, message: source.message }, nowMs + lookMs);
    case "base-due":
      return { kind: "TakeBase" };
    case "base-waits":
      return settle({ kind: "Preparing", message: source.message }, nowMs + lookMs);
    case "ready":
      break;
  }
  if (stage === "none") return { kind: "RecordCopying" };
  if (copy.kind === "none") return { kind: "Copy" };
  const { error, failures, failedMs } = copy;
  const { reason, message } = problemOf(error);
  if (failures >= mostFailures || isProviderError(error, "Unsupported", "InvalidSpec", "NotFound")) {
    return { kind: "Fail", reason, message };
  }
  const atMs = failedMs + firstRetryMs * 2 ** (failures - 1);
  return nowMs >= atMs ? { kind: "Copy" } : settle({ kind: "Waiting", reason: "ProviderError", message }, atMs);
}

function decideDelete(input: TemplateInput): TemplateStep {
  const { copy, removal, usedBy, isForcedDelete, hasIdleBase, nowMs } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  if (copy.kind !== "none") return { kind: "StopCopy" };
  if (usedBy.length > 0 && !isForcedDelete) {
    const message = `Disks of machines back onto it: ${usedBy.join(", ")}. Delete them, or make them independent (viv unlink)`;
    return settle({ kind: "DeleteWaits", reason: "InUse", message }, nowMs + lookMs);
  }
  if (hasIdleBase) return { kind: "ReleaseBase" };
  if (!input.isPlaced) return { kind: "RemoveFinalizer" };
  switch (removal.kind) {
    case "none":
      return { kind: "Remove" };
    case "running":
      return settle({ kind: "Deleting" });
    case "done":
      return { kind: "RemoveFinalizer" };
    case "failed": {
      if (isForcedDelete) return { kind: "RemoveFinalizer" };
      const { error, failures, failedMs } = removal;
      const atMs = failedMs + Math.min(firstRetryMs * 2 ** Math.min(failures - 1, 6), 300_000);
      if (nowMs >= atMs) return { kind: "Remove" };
      const { reason, message } = problemOf(error);
      return settle({ kind: "DeleteWaits", reason, message }, atMs);
    }
  }
}
