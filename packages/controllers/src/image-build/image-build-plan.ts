// Decides what to do next about an ImageBuild. Pure.
//
//   look whether its sources answer ─► wait for the parent ─► wait for a turn ─► make a machine ─► watch its log ─► shut it down ─► seal its disk ─► remove the machine
//
// Where it is is written down before each step that makes something, so that it goes on after a crash at any point. A machine that goes
// wrong is removed and another one made, as often as the spec says; a recipe that fails would fail again, and is not tried again by itself.

import type { ImageBuildStatus } from "@vivarium/api";
import type { ProvisionState, UnreachableUrl } from "@vivarium/images";
import type { ImageMeasure, ProviderError } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { messageOf } from "../steps/problem-of.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import type { QueuePlace } from "./image-build-queue.ts";

export type BuildPhase = NonNullable<ImageBuildStatus["phase"]>;

/** What is remembered across restarts. */
export interface BuildRecord {
  /** 0: no machine was asked for yet. */
  readonly attempt: number;
  /** `built`: the guest has done all, and is to be shut down. */
  readonly stage: "none" | "machine" | "built";
  readonly startedMs?: number;
  readonly digest?: string;
  readonly recipeDigest?: string;
  /** uid of the machine, once it is made. */
  readonly machine?: string;
  /** Why that machine is removed, and another one made. */
  readonly lostFor?: string;
  readonly step?: { readonly number: number; readonly of: number; readonly title: string };
}

export type BuildTarget =
  | { readonly kind: "problem"; readonly reason: string; readonly message: string }
  | {
      readonly kind: "found";
      readonly image: string;
      readonly parent: string;
      readonly parentIs:
        | { readonly kind: "gone" }
        | { readonly kind: "preparing"; readonly message: string }
        | { readonly kind: "ready" };
      /** Known with the parent's. */
      readonly digest?: string;
      readonly recipeDigest: string;
      /** URLs that its guest needs, and that can be asked from here. */
      readonly sources: readonly string[];
    };

export type BuildProvider =
  | { readonly kind: "problem"; readonly reason: string; readonly message: string; readonly isHopeless: boolean }
  | {
      readonly kind: "open";
      readonly layer:
        | { readonly kind: "unknown" }
        | { readonly kind: "absent" }
        | { readonly kind: "present" }
        | { readonly kind: "unavailable"; readonly error: ProviderError };
    };

export type BuildMachine =
  | { readonly kind: "absent" }
  /** Somebody else's, of that name. */
  | { readonly kind: "foreign" }
  | {
      readonly kind: "present";
      readonly uid: string;
      readonly isDeleting: boolean;
      readonly isOff: boolean;
      /** Its guest was asked to shut down. */
      readonly isToldOff: boolean;
      /** It went off without having been told to. */
      readonly stopped?: string;
      readonly failed?: string;
      readonly message: string;
    };

/** The image, and what was read of it once it was made. */
export type SealTask = TaskState<ImageMeasure, { readonly doneBytes: number }>;

/** Those at which nobody answered. */
export type SourcesTask = TaskState<readonly UnreachableUrl[], never>;

export interface BuildInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isCancelled: boolean;
  readonly keepOnFailure: boolean;
  /** Value of the retry annotation that was not carried out yet. */
  readonly retryRequest?: string;
  readonly phase: BuildPhase | undefined;
  readonly record: BuildRecord;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly target: BuildTarget;
  readonly provider: BuildProvider;
  readonly machine: BuildMachine;
  readonly log: ProvisionState;
  readonly sealing: SealTask;
  readonly asking: SourcesTask;
  readonly place: QueuePlace;
}

export interface BuildEnd {
  readonly phase: "Succeeded" | "Failed" | "Cancelled";
  readonly reason: string;
  readonly message: string;
}

export type BuildStep =
  | FinalizerStep
  | { readonly kind: "AskSources"; readonly urls: readonly string[] }
  /** Takes a turn: says, durably, that a machine is about to be made. */
  | {
      readonly kind: "Begin";
      readonly digest: string;
      readonly recipeDigest: string;
      readonly attempt: number;
      readonly why?: string;
    }
  | { readonly kind: "CreateMachine" }
  | { readonly kind: "RecordMachine"; readonly uid: string }
  | { readonly kind: "RecordBuilt" }
  | { readonly kind: "ShutDown" }
  | { readonly kind: "Seal"; readonly digest: string }
  | { readonly kind: "RemoveMachine"; readonly why?: string }
  | { readonly kind: "End"; readonly end: BuildEnd }
  | { readonly kind: "Restart"; readonly request: string }
  | Settle<BuildSituation>;

/** What is said of it while nothing is to be done. */
export interface BuildSituation {
  readonly kind: BuildPhase;
  readonly reason: string;
  readonly message: string;
}

type Decision = Exclude<BuildStep, { readonly kind: "Settle" }> | Stay;

/** A Settle that counts from now. */
interface Stay {
  readonly kind: "Stay";
  readonly situation: BuildSituation;
  readonly lookAgainMs?: number;
}

const soonMs = 2_000;
const laterMs = 30_000;
const sealTries = 3;

export function decideBuild(input: BuildInput): BuildStep {
  const decision = decide(input);
  if (decision.kind !== "Stay") return decision;
  const { situation, lookAgainMs } = decision;
  return settle(situation, lookAgainMs === undefined ? undefined : input.nowMs + lookAgainMs);
}

function decide(input: BuildInput): Decision {
  const { machine, phase } = input;
  if (input.isDeleting) {
    if (!input.hasFinalizer) return stay("Cancelled", "Deleted", "It is gone");
    if (machine.kind === "present") return removal(machine, "Cancelled");
    return { kind: "RemoveFinalizer" };
  }
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  if (phase === "Succeeded" || phase === "Failed" || phase === "Cancelled") return decideEnded(input, phase);
  if (input.isCancelled) {
    // Not "Cancelled" yet: what has that phase has ended.
    if (machine.kind === "present") return removal(machine, "ShuttingDown");
    return end("Cancelled", "Cancelled", "Cancelled as asked; what was made so far is removed");
  }
  return decideOpen(input);
}

function decideEnded(input: BuildInput, phase: "Succeeded" | "Failed" | "Cancelled"): Decision {
  const { machine, retryRequest, keepOnFailure } = input;
  const isKept = phase === "Failed" && keepOnFailure && retryRequest === undefined;
  if (machine.kind === "present" && !isKept) return removal(machine, phase);
  if (retryRequest !== undefined && phase !== "Succeeded" && !input.isCancelled)
    return { kind: "Restart", request: retryRequest };
  return stay(phase, "", "");
}

function decideOpen(input: BuildInput): Decision {
  const { target, provider, machine, record } = input;
  if (target.kind === "problem") return failed({ reason: target.reason, message: target.message });
  if (provider.kind === "problem") {
    const { reason, message, isHopeless } = provider;
    return isHopeless ? failed({ reason, message }) : stay(waitingPhase(input), reason, message, laterMs);
  }
  if (record.digest !== undefined && target.digest !== undefined && record.digest !== target.digest) {
    if (machine.kind === "present") return removal(machine, "Queued");
    return begin({
      digest: target.digest,
      recipeDigest: target.recipeDigest,
      attempt: 1,
      why: "its parent or its recipe has changed",
    });
  }
  if (target.parentIs.kind === "gone") {
    const message = `Its parent, VMImage "${target.parent}", does not exist, or is being deleted`;
    return failed({ reason: "ParentGone", message });
  }
  const { layer } = provider;
  if (layer.kind === "unavailable")
    return stay(waitingPhase(input), "ProviderUnavailable", layer.error.message, soonMs);
  if (layer.kind === "present") {
    // It is read once more, to know its digest and its size.
    if (input.sealing.kind === "running") return stay("Sealing", "Sealing", "Its disk becomes an image", soonMs);
    if (machine.kind === "present") return removal(machine, "Sealing");
    const message =
      record.attempt === 0 ? "The layer was there already: nothing had to be built" : "The layer is there";
    return end("Succeeded", record.attempt === 0 ? "Cached" : "Built", message);
  }
  if (record.stage === "none") return decideSources(input, target) ?? decideStart(input, target);
  return decideMachine(input);
}

/** Told before the parent is built and a machine made; what cannot be found out from here the guest finds out. */
function decideSources(
  { asking }: BuildInput,
  { sources }: Extract<BuildTarget, { kind: "found" }>,
): Decision | undefined {
  if (sources.length === 0) return undefined;
  switch (asking.kind) {
    case "none":
      return { kind: "AskSources", urls: sources };
    case "running":
      return stay("Checking", "AskingSources", `Looks whether ${sources.join(", ")} answers`, soonMs);
    case "failed":
      return undefined;
    case "done": {
      if (asking.result.length === 0) return undefined;
      const told = asking.result.map(({ url, why }) => `${url} (${why})`).join(", ");
      return failed({
        reason: "RepositoryUnreachable",
        message: `Nobody answers at ${told}, which it needs; no machine was made`,
      });
    }
  }
  throw new TypeError(`Unknown state: ${JSON.stringify(asking satisfies never)}`);
}

function decideStart(input: BuildInput, target: Extract<BuildTarget, { kind: "found" }>): Decision {
  const { place } = input;
  if (target.parentIs.kind === "preparing" || target.digest === undefined) {
    const why = target.parentIs.kind === "preparing" ? target.parentIs.message : "it is being prepared";
    return stay("WaitingForParent", "WaitingForParent", `Waits for VMImage "${target.parent}": ${why}`, laterMs);
  }
  switch (place.kind) {
    case "duplicate":
      return stay("Queued", "SameLayer", `ImageBuild "${place.of}" makes the same layer`, laterMs);
    case "queued":
      return stay("Queued", "Queued", `Number ${place.position} in the queue`, laterMs);
    case "admitted":
      return begin({ digest: target.digest, recipeDigest: target.recipeDigest, attempt: input.record.attempt + 1 });
  }
  throw new TypeError(`Unknown place: ${JSON.stringify(place satisfies never)}`);
}

function decideMachine(input: BuildInput): Decision {
  const { machine, record, nowMs, timeoutMs, log } = input;
  switch (machine.kind) {
    case "foreign":
      return failed({
        reason: "NameConflict",
        message: "There is a VirtualMachine of the name that its machine would have",
      });
    case "absent":
      if (record.machine === undefined) return { kind: "CreateMachine" };
      return again(input, machineGone(record));
    case "present":
      break;
  }
  if (record.machine === undefined) return { kind: "RecordMachine", uid: machine.uid };
  if (machine.isDeleting || machine.uid !== record.machine) {
    return again(input, machineGone(record));
  }
  if (record.stage === "built") return decideBuilt(input, machine);
  if (log.kind === "done") return { kind: "RecordBuilt" };
  if (log.kind === "failed") return failed(failureOf(log));
  if (machine.failed !== undefined) {
    return failed({ reason: "MachineFailed", message: `Its machine cannot be made: ${machine.failed}` });
  }
  if (machine.stopped !== undefined) return again(input, { reason: "MachineStopped", message: machine.stopped });
  const untilMs = (record.startedMs ?? nowMs) + timeoutMs;
  if (nowMs >= untilMs) {
    const where = record.step === undefined ? "before its first step" : `at step ${stepText(record.step)}`;
    return again(input, {
      reason: "Timeout",
      message: `It did not come to its end within ${timeoutMs / 1000} s: it hung ${where}`,
    });
  }
  return record.step === undefined
    ? stay("Starting", "Starting", machine.message, soonMs)
    : stay("Building", "Building", stepText(record.step), soonMs);
}

function decideBuilt(input: BuildInput, machine: Extract<BuildMachine, { kind: "present" }>): Decision {
  const { sealing, record, nowMs } = input;
  if (!machine.isOff) {
    if (!machine.isToldOff) return { kind: "ShutDown" };
    return stay("ShuttingDown", "ShuttingDown", "Its guest is shutting down", soonMs);
  }
  switch (sealing.kind) {
    case "none":
    // It is there now, unless it was removed at once.
    case "done":
      return { kind: "Seal", digest: record.digest ?? "" };
    case "running":
      return stay("Sealing", "Sealing", "Its disk becomes an image", soonMs);
    case "failed": {
      const message = `Cannot make an image of its disk: ${messageOf(sealing.error)}`;
      if (sealing.failures >= sealTries) return failed({ reason: "SealFailed", message });
      const nextMs = sealing.failedMs + 5_000 * 2 ** sealing.failures;
      return nextMs <= nowMs
        ? { kind: "Seal", digest: record.digest ?? "" }
        : stay("Sealing", "SealFailed", `${message}; tried again`, nextMs - nowMs);
    }
  }
  throw new TypeError(`Unknown state: ${JSON.stringify(sealing satisfies never)}`);
}

interface Failure {
  readonly reason: string;
  readonly message: string;
}

function failureOf({ step, why, unreachable, lastLines }: Extract<ProvisionState, { kind: "failed" }>): Failure {
  if (unreachable.length > 0) {
    return { reason: "RepositoryUnreachable", message: `Nobody answers at ${unreachable.join(", ")}` };
  }
  const at = step === undefined ? "" : `Step ${stepText(step)}: `;
  const last = lastLines.at(-1);
  const reason = step?.title.startsWith("verify ") === true ? "VerifyFailed" : "RecipeFailed";
  return { reason, message: `${at}${why}${last === undefined ? "" : `; last it said: ${last}`}` };
}

function stepText({ number, of, title }: NonNullable<BuildRecord["step"]>): string {
  return `${number}/${of} ${title}`;
}

function machineGone({ lostFor }: BuildRecord): Failure {
  return { reason: "MachineGone", message: lostFor ?? "Its machine was deleted" };
}

/** A new machine may do better. */
function again(input: BuildInput, failure: Failure): Decision {
  const { machine, record, retries } = input;
  if (record.attempt > retries || record.digest === undefined) return failed(failure);
  if (machine.kind === "present") return removal(machine, "Queued", failure.message);
  return begin({
    digest: record.digest,
    recipeDigest: record.recipeDigest ?? "",
    attempt: record.attempt + 1,
    why: failure.message,
  });
}

function begin(next: Omit<Extract<BuildStep, { kind: "Begin" }>, "kind">): Decision {
  return { kind: "Begin", ...next };
}

/** The machine stays until the end is written down: after that it is removed, or kept for a look. */
function failed({ reason, message }: Failure): Decision {
  return end("Failed", reason, message);
}

function end(phase: BuildEnd["phase"], reason: string, message: string): Decision {
  return { kind: "End", end: { phase, reason, message } };
}

function removal(machine: Extract<BuildMachine, { kind: "present" }>, phase: BuildPhase, why?: string): Decision {
  if (!machine.isDeleting) return { kind: "RemoveMachine", ...(why === undefined ? {} : { why }) };
  return stay(phase, "RemovingMachine", "Its machine is being removed", soonMs);
}

function waitingPhase({ phase }: BuildInput): BuildPhase {
  return phase ?? "Queued";
}

function stay(kind: BuildPhase, reason: string, message: string, lookAgainMs?: number): Stay {
  const situation = { kind, reason, message };
  return { kind: "Stay", situation, ...(lookAgainMs === undefined ? {} : { lookAgainMs }) };
}
