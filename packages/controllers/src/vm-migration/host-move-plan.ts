// What is next for the move of a VM to another host. Pure: one step at a time, from what the objects say and what the hypervisors say.
//
//   Check ─► Begin (VirtualMachine.status.moving is written, then the work starts) ─► … ─► Settle sides ─► Land (moving is taken away) ─► End
//
// Where the VM is is known from `status.moving` and `status.host` alone, so that a server that is killed anywhere goes on from there: while
// `moving` is there nobody but the hypervisors knows, and they are asked.

import { isProviderError } from "@vivarium/provider";
import type { MoveProgress, MoveReport, MoveSide, MoveStorage } from "@vivarium/provider";
import type { TaskState } from "../background-tasks.ts";
import { settle } from "../steps/step.ts";
import type { FinalizerStep, Settle } from "../steps/step.ts";
import type { MigrationTerms } from "./migration-terms.ts";
import { messageOf, problemOf } from "../steps/problem-of.ts";

export interface Blocker {
  readonly reason: string;
  readonly message: string;
  /** It passes by itself. */
  readonly isTemporary?: boolean;
}

export type MoveMode = "Live" | "Offline";

/** What was found before a move. */
export interface MoveCheckResult {
  readonly blockers: readonly Blocker[];
  readonly mode: MoveMode;
  readonly storage: MoveStorage;
}

export type MoveMachine =
  | { readonly kind: "absent" }
  /** Of that name there is another one now. */
  | { readonly kind: "another" }
  | {
      readonly kind: "present";
      readonly isDeleting: boolean;
      /** Whose it is. */
      readonly moving: "nobody" | "mine" | "another";
      readonly host: string | undefined;
    };

export interface HostMoveInput extends MigrationTerms {
  readonly to: string;
  /** Attempts that failed. */
  readonly failedAttempts: number;
  /** When the last one did. */
  readonly failedAtMs?: number;
  /** Why, and whether another attempt can help. */
  readonly failure?: MoveFailure;
  readonly machine: MoveMachine;
  readonly task: TaskState<MoveReport, MoveProgress>;
  /** Of this reconcile. */
  readonly check?: MoveCheckResult;
  readonly sides?: { readonly side: MoveSide } | { readonly error: unknown };
}

export interface MoveFailure {
  readonly reason: string;
  readonly message: string;
  readonly isHopeless: boolean;
}

export type MoveOutcome =
  | { readonly kind: "Moved" }
  | { readonly kind: "AlreadyThere" }
  | { readonly kind: "Cancelled" }
  | { readonly kind: "Blocked"; readonly blockers: readonly Blocker[] }
  | { readonly kind: "Failed"; readonly reason: string; readonly message: string };

export type MoveSituation =
  | { readonly kind: "Ended" }
  | {
      readonly kind: "Waiting";
      readonly reason: string;
      readonly message: string;
      readonly blockers?: readonly Blocker[];
    }
  | { readonly kind: "Moving"; readonly startedMs: number; readonly progress?: MoveProgress }
  | { readonly kind: "Unsettled"; readonly message: string }
  | { readonly kind: "Retrying"; readonly failure: MoveFailure; readonly atMs: number };

export type HostMoveStep =
  | FinalizerStep
  | { readonly kind: "Check" }
  | { readonly kind: "Begin"; readonly check: MoveCheckResult }
  | { readonly kind: "StopWork" }
  | { readonly kind: "SettleSides" }
  /** Who has the VM is known: its own controller gets it back. */
  | { readonly kind: "Land"; readonly side: MoveSide; readonly failure?: MoveFailure }
  | { readonly kind: "End"; readonly outcome: MoveOutcome }
  | Settle<MoveSituation>;

/** For what no event tells. */
const lookAgainMs = 10_000;
const unsettledMs = 5_000;

export function decideHostMove(input: HostMoveInput): HostMoveStep {
  const { machine, stage } = input;
  if (machine.kind === "present" && machine.moving === "mine") return whileMoving(input);
  if (stage === "ended") return input.isDeleting ? { kind: "RemoveFinalizer" } : settle({ kind: "Ended" });
  if (input.isDeleting) return { kind: "RemoveFinalizer" };
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  if (stage === "moving") return afterAttempt(input);
  if (input.isCancelled) return end({ kind: "Cancelled" });
  return beforeAttempt(input);
}

function whileMoving(input: HostMoveInput): HostMoveStep {
  const { task, sides, nowMs } = input;
  if (task.kind === "running") {
    if (whyStop(input) !== undefined) return { kind: "StopWork" };
    const { startedMs, progress } = task;
    return settle(
      { kind: "Moving", startedMs, ...(progress === undefined ? {} : { progress }) },
      Math.min(nowMs + lookAgainMs, deadlineOf(input)),
    );
  }
  if (sides === undefined) return { kind: "SettleSides" };
  if ("error" in sides) {
    return settle({ kind: "Unsettled", message: messageOf(sides.error) }, nowMs + unsettledMs);
  }
  const failure = sides.side === "target" ? undefined : failureOf(input);
  return { kind: "Land", side: sides.side, ...(failure === undefined ? {} : { failure }) };
}

/** Why the work is to end; undefined while it may go on. */
function whyStop({ isCancelled, isDeleting, machine, ...input }: HostMoveInput): MoveFailure | undefined {
  if (isCancelled || isDeleting) return { reason: "Cancelled", message: "It was given up", isHopeless: true };
  if (machine.kind === "present" && machine.isDeleting) {
    return { reason: "MachineDeleted", message: "The VirtualMachine is being deleted", isHopeless: true };
  }
  if (input.nowMs < deadlineOf(input)) return undefined;
  const message = `It was not done within ${Math.round(input.timeoutMs / 1000)} s (spec.options.timeout)`;
  return { reason: "Timeout", message, isHopeless: true };
}

function deadlineOf({ startedAtMs, timeoutMs }: Pick<HostMoveInput, "startedAtMs" | "timeoutMs">): number {
  return startedAtMs + timeoutMs;
}

function failureOf(input: HostMoveInput): MoveFailure {
  const stopped = whyStop(input);
  if (stopped !== undefined) return stopped;
  const { task } = input;
  if (task.kind !== "failed") {
    return { reason: "Interrupted", message: "The server was restarted meanwhile", isHopeless: false };
  }
  const { error } = task;
  return { ...problemOf(error), isHopeless: isProviderError(error, "Unsupported", "InvalidSpec", "Conflict") };
}

function afterAttempt(input: HostMoveInput): HostMoveStep {
  const { machine, to, failure, retries, failedAttempts, failedAtMs = 0, nowMs, isCancelled } = input;
  if (machine.kind === "present" && machine.host === to) return end({ kind: "Moved" });
  if (isCancelled) return end({ kind: "Cancelled" });
  if (machine.kind !== "present" || machine.isDeleting) return beforeAttempt(input);
  // A server that was killed in between is nobody's fault.
  if (failure === undefined || failure.reason === "Interrupted") return beforeAttempt(input);
  const { reason, message } = failure;
  if (failure.isHopeless || failedAttempts > retries.maxRetries) return end({ kind: "Failed", reason, message });
  const atMs = failedAtMs + retries.delayMs * retries.multiplier ** Math.max(0, failedAttempts - 1);
  if (nowMs < atMs) return settle({ kind: "Retrying", failure, atMs }, atMs);
  return beforeAttempt(input);
}

function beforeAttempt(input: HostMoveInput): HostMoveStep {
  const { machine, check, nowMs, to } = input;
  const waiting = (reason: string, message: string, blockers?: readonly Blocker[]): HostMoveStep => {
    if (nowMs >= deadlineOf(input)) {
      if (blockers !== undefined) return end({ kind: "Blocked", blockers });
      return end({ kind: "Failed", reason, message });
    }
    const situation = { kind: "Waiting", reason, message, ...(blockers === undefined ? {} : { blockers }) } as const;
    return settle(situation, Math.min(nowMs + lookAgainMs, deadlineOf(input)));
  };
  switch (machine.kind) {
    case "absent":
      return waiting("MachineNotFound", "The VirtualMachine does not exist");
    case "another":
      return end({
        kind: "Failed",
        reason: "MachineGone",
        message: "The VirtualMachine was deleted; another one has its name",
      });
    case "present":
  }
  if (machine.isDeleting) {
    return end({ kind: "Failed", reason: "MachineDeleted", message: "The VirtualMachine is being deleted" });
  }
  if (machine.moving === "another") return waiting("MachineMoving", "Another VMMigration is moving the machine");
  if (machine.host === to) return end({ kind: "AlreadyThere" });
  if (check === undefined) return { kind: "Check" };
  const { blockers } = check;
  if (blockers.length === 0) return { kind: "Begin", check };
  if (blockers.some(({ isTemporary }) => isTemporary !== true)) return end({ kind: "Blocked", blockers });
  return waiting("Blocked", blockers.map(({ message }) => message).join("; "), blockers);
}

function end(outcome: MoveOutcome): HostMoveStep {
  return { kind: "End", outcome };
}
