// Carries out the plan of a move to another host: looks, decides, takes one step, looks again.

import { VMMigration, vmMigrationFinalizer } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import { requestOf } from "../request-of.ts";
import type { SteppedKind } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { hostOfVm } from "../vm-host.ts";
import { beginHostMove } from "./host-move-begin.ts";
import { checkHostMove } from "./host-move-check.ts";
import { placeOf } from "./host-move-parts.ts";
import type { HostMoveParts } from "./host-move-parts.ts";
import { decideHostMove } from "./host-move-plan.ts";
import type { HostMoveInput, HostMoveStep, MoveCheckResult, MoveMachine, MoveSituation } from "./host-move-plan.ts";
import { reportHostMove } from "./host-move-report.ts";
import { giveBack, settleSides } from "./host-move-sides.ts";
import { sourceOf, tellEnd } from "./migration-parts.ts";
import { termsOf } from "./migration-terms.ts";
import type { Moving } from "./moving.ts";
import { migrationRecordOf } from "./vm-migration-record.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

/** What one reconcile finds out by asking hypervisors. */
interface Found {
  check?: MoveCheckResult;
  sides?: HostMoveInput["sides"];
}

interface Look {
  readonly input: HostMoveInput;
  readonly found: Found;
}

type HostMoveKind = SteppedKind<VMMigration, Look, OwnStep<HostMoveStep>, MoveSituation>;

export function hostMoveKind(parts: HostMoveParts): HostMoveKind {
  return {
    type: VMMigration,
    finalizer: vmMigrationFinalizer,
    observe(object, { before }) {
      const found = before?.found ?? {};
      return { found, input: inputOf(parts, object, found) };
    },
    decide: ({ input }) => decideHostMove(input),
    act: (object, step, { look: { found }, signal }) => act(parts, object, { step, found, signal }),
    report: (object, { situation, signal }) => report(parts, object, { situation, signal }),
    end: (request) => parts.tasks.stop(request),
  };
}

function inputOf(parts: HostMoveParts, object: VMMigration, found: Found): HostMoveInput {
  const record = migrationRecordOf(object);
  const { failure, failedAtMs } = record;
  return {
    ...termsOf(object, record, parts.clock.now()),
    to: object.spec.target.host ?? "",
    failedAttempts: record.failedAttempts,
    ...(failedAtMs === undefined ? {} : { failedAtMs }),
    ...(failure === undefined ? {} : { failure }),
    machine: machineOf(parts, object, record),
    task: parts.tasks.state(requestOf(object)),
    ...(found.check === undefined ? {} : { check: found.check }),
    ...(found.sides === undefined ? {} : { sides: found.sides }),
  };
}

function machineOf(parts: HostMoveParts, object: VMMigration, record: MigrationRecord): MoveMachine {
  const vm = sourceOf(parts, object);
  if (vm === undefined) return { kind: "absent" };
  if (record.machine !== undefined && record.machine !== vm.metadata.uid) return { kind: "another" };
  const uid = vm.status?.moving?.uid;
  const { provider } = placeOf(parts, vm);
  return {
    kind: "present",
    isDeleting: vm.metadata.deletionTimestamp !== undefined,
    moving: uid === undefined ? "nobody" : uid === object.metadata.uid ? "mine" : "another",
    host: provider && hostOfVm(vm, provider),
  };
}

async function act(
  parts: HostMoveParts,
  object: VMMigration,
  {
    step,
    found,
    signal,
  }: { readonly step: OwnStep<HostMoveStep>; readonly found: Found; readonly signal: AbortSignal },
): Promise<void> {
  const { tasks } = parts;
  switch (step.kind) {
    case "Check":
      found.check = await checkHostMove(parts, object, signal);
      return;
    case "Begin":
      await beginHostMove(parts, object, { check: step.check, signal });
      return;
    case "StopWork":
      await tasks.stop(requestOf(object));
      return;
    case "SettleSides": {
      const moving = sourceOf(parts, object)?.status?.moving;
      if (moving === undefined) return;
      found.sides = await sidesOf(parts, object, { moving, signal });
      return;
    }
    case "Land":
      await land(parts, object, { step, signal });
      delete found.sides;
      return;
    case "End": {
      const { outcome } = step;
      const record = { ...migrationRecordOf(object), stage: "ended" } as const;
      const task = tasks.state(requestOf(object));
      const downtimeMs = task.kind === "done" ? task.result.downtimeMs : undefined;
      await reportHostMove(parts, object, {
        news: { kind: "End", outcome },
        record: { ...record, startedAtMs: record.startedAtMs ?? parts.clock.now() },
        ...(downtimeMs === undefined ? {} : { downtimeMs }),
        signal,
      });
      await tasks.stop(requestOf(object));
      tellEnd(parts, object, outcome.kind);
    }
  }
}

async function sidesOf(
  parts: HostMoveParts,
  object: VMMigration,
  { moving, signal }: { readonly moving: Moving; readonly signal: AbortSignal },
): Promise<NonNullable<HostMoveInput["sides"]>> {
  const vm = sourceOf(parts, object);
  if (vm === undefined) return { side: "neither" };
  try {
    return { side: await settleSides(parts, vm, { moving, signal }) };
  } catch (error) {
    if (!isProviderError(error)) throw error;
    return { error };
  }
}

async function land(
  parts: HostMoveParts,
  object: VMMigration,
  { step, signal }: { readonly step: Extract<HostMoveStep, { kind: "Land" }>; readonly signal: AbortSignal },
): Promise<void> {
  const { clock } = parts;
  const { failure } = step;
  const record = migrationRecordOf(object);
  if (failure !== undefined) {
    const isInterrupted = failure.reason === "Interrupted" || failure.reason === "Cancelled";
    const failedAttempts = record.failedAttempts + (isInterrupted ? 0 : 1);
    const next = { ...record, failure, failedAttempts, failedAtMs: clock.now() };
    await reportHostMove(parts, object, {
      news: { kind: "Unsettled", message: failure.message },
      record: next,
      signal,
    });
    if (!isInterrupted) {
      const event = { type: "Warning", reason: "RetryingMigration", message: failure.message } as const;
      parts.manager.recorder.record(object, event);
    }
  }
  const vm = sourceOf(parts, object);
  if (vm?.status?.moving === undefined) return;
  await giveBack(parts, vm, { side: step.side, wasShutDown: record.wasShutDown === true, signal });
}

async function report(
  parts: HostMoveParts,
  object: VMMigration,
  { situation, signal }: { readonly situation: MoveSituation; readonly signal: AbortSignal },
): Promise<void> {
  // What was told at its end stays.
  if (situation.kind === "Ended") return;
  const known = migrationRecordOf(object);
  const record = { ...known, startedAtMs: known.startedAtMs ?? parts.clock.now() };
  await reportHostMove(parts, object, { news: situation, record, signal });
}
