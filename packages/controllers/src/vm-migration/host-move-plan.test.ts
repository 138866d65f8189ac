import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimulatedHypervisor, ProviderError } from "@vivarium/provider";
import type { Move, MoveSide, SimulatedHypervisor, VmIdentity } from "@vivarium/provider";
import * as fc from "fast-check";
import { decideHostMove } from "./host-move-plan.ts";
import type { HostMoveInput, HostMoveStep, MoveCheckResult, MoveFailure, MoveMachine } from "./host-move-plan.ts";

const fine: MoveCheckResult = { blockers: [], mode: "Live", storage: "shared" };
const there: Extract<MoveMachine, { kind: "present" }> = {
  kind: "present",
  isDeleting: false,
  moving: "nobody",
  host: "a",
};
const base: HostMoveInput = {
  nowMs: 1_000,
  isDeleting: false,
  hasFinalizer: true,
  isCancelled: false,
  stage: "new",
  to: "b",
  failedAttempts: 0,
  retries: { maxRetries: 1, delayMs: 60_000, multiplier: 2 },
  startedAtMs: 0,
  timeoutMs: 3_600_000,
  machine: there,
  task: { kind: "none" },
};
const failed = (code: "Unavailable" | "Unsupported"): HostMoveInput["task"] => ({
  kind: "failed",
  error: new ProviderError(code, "no"),
  failures: 1,
  failedMs: 900,
});
const mine: MoveMachine = { ...there, moving: "mine" };
const failure: MoveFailure = { reason: "Unavailable", message: "no", isHopeless: false };

const table: readonly (readonly [string, Partial<HostMoveInput>, Partial<HostMoveStep>])[] = [
  ["it is held before anything else", { hasFinalizer: false }, { kind: "AddFinalizer" }],
  ["it is looked whether it can be done", {}, { kind: "Check" }],
  ["and begun when nothing stands in the way", { check: fine }, { kind: "Begin" }],
  [
    "what will not pass ends it, with everything that was found",
    {
      check: {
        ...fine,
        blockers: [
          { reason: "NoSpace", message: "full" },
          { reason: "HostNotReady", message: "down", isTemporary: true },
        ],
      },
    },
    { kind: "End" },
  ],
  [
    "what passes is waited for",
    { check: { ...fine, blockers: [{ reason: "HostNotReady", message: "down", isTemporary: true }] } },
    { kind: "Settle", lookAgainAtMs: 11_000 },
  ],
  [
    "but not for ever",
    {
      nowMs: 3_600_000,
      check: { ...fine, blockers: [{ reason: "HostNotReady", message: "down", isTemporary: true }] },
    },
    { kind: "End" },
  ],
  [
    "a machine that is there needs no move",
    { machine: { ...there, host: "b" } },
    { kind: "End", outcome: { kind: "AlreadyThere" } },
  ],
  [
    "a machine that somebody else moves is waited for",
    { machine: { ...there, moving: "another" } },
    { kind: "Settle" },
  ],
  ["a machine that is being deleted is not moved", { machine: { ...there, isDeleting: true } }, { kind: "End" }],
  [
    "cancelled before it began: nothing is touched",
    { isCancelled: true },
    { kind: "End", outcome: { kind: "Cancelled" } },
  ],
  [
    "while it is moved nothing else is done",
    { stage: "moving", machine: mine, task: { kind: "running", startedMs: 0 } },
    { kind: "Settle" },
  ],
  [
    "cancelled: the work is stopped first",
    { stage: "moving", isCancelled: true, machine: mine, task: { kind: "running", startedMs: 0 } },
    { kind: "StopWork" },
  ],
  [
    "deleted: the work is stopped first",
    { stage: "moving", isDeleting: true, machine: mine, task: { kind: "running", startedMs: 0 } },
    { kind: "StopWork" },
  ],
  [
    "its machine is deleted: the work is stopped first",
    {
      stage: "moving",
      machine: { ...there, isDeleting: true, moving: "mine" },
      task: { kind: "running", startedMs: 0 },
    },
    { kind: "StopWork" },
  ],
  [
    "too long: the work is stopped",
    { nowMs: 3_600_000, stage: "moving", machine: mine, task: { kind: "running", startedMs: 0 } },
    { kind: "StopWork" },
  ],
  [
    "done: the hypervisors are asked",
    { stage: "moving", machine: mine, task: { kind: "done", result: {} } },
    { kind: "SettleSides" },
  ],
  [
    "failed: the hypervisors are asked",
    { stage: "moving", machine: mine, task: failed("Unavailable") },
    { kind: "SettleSides" },
  ],
  [
    "after a restart of the server the hypervisors are asked",
    { stage: "moving", machine: mine },
    { kind: "SettleSides" },
  ],
  [
    "nobody answers: nobody touches it",
    { stage: "moving", machine: mine, sides: { error: new Error("away") } },
    { kind: "Settle", lookAgainAtMs: 6_000 },
  ],
  ["it is there", { stage: "moving", machine: mine, sides: { side: "target" } }, { kind: "Land", side: "target" }],
  [
    "it stayed, because the server was killed",
    { stage: "moving", machine: mine, sides: { side: "source" } },
    {
      kind: "Land",
      side: "source",
      failure: { reason: "Interrupted", message: "The server was restarted meanwhile", isHopeless: false },
    },
  ],
  [
    "deleted in the middle: the machine is given back before the object may go",
    { stage: "moving", isDeleting: true, machine: mine, sides: { side: "source" } },
    { kind: "Land" },
  ],
  [
    "landed on the other side",
    { stage: "moving", machine: { ...there, host: "b" } },
    { kind: "End", outcome: { kind: "Moved" } },
  ],
  [
    "too late to cancel",
    { stage: "moving", isCancelled: true, machine: { ...there, host: "b" } },
    { kind: "End", outcome: { kind: "Moved" } },
  ],
  [
    "after an interruption it begins anew at once",
    { stage: "moving", failure: { ...failure, reason: "Interrupted" } },
    { kind: "Check" },
  ],
  [
    "after a failure it waits",
    { stage: "moving", failure, failedAttempts: 1, failedAtMs: 900 },
    { kind: "Settle", lookAgainAtMs: 60_900 },
  ],
  [
    "and begins anew then",
    { nowMs: 60_900, stage: "moving", failure, failedAttempts: 1, failedAtMs: 900 },
    { kind: "Check" },
  ],
  ["as often as it may", { stage: "moving", failure, failedAttempts: 2, failedAtMs: 900 }, { kind: "End" }],
  [
    "what cannot be cured ends it",
    { stage: "moving", failure: { ...failure, isHopeless: true }, failedAttempts: 1, failedAtMs: 900 },
    { kind: "End" },
  ],
  ["what has ended stays ended", { stage: "ended", isCancelled: true }, { kind: "Settle" }],
  ["and may go", { stage: "ended", isDeleting: true }, { kind: "RemoveFinalizer" }],
];
for (const [title, change, wanted] of table) {
  test(title, () => {
    assert.partialDeepStrictEqual(decideHostMove({ ...base, ...change }), wanted);
  });
}

/** The controller in small: what is durable, what is lost with the process, and two hypervisors. */
class World {
  readonly vm: VmIdentity = { uid: "00000000-0000-4000-8000-000000000001", namespace: "default", name: "web" };
  readonly a: SimulatedHypervisor;
  readonly b: SimulatedHypervisor;
  readonly storage: Move["storage"];
  stage: HostMoveInput["stage"] = "new";
  moving = false;
  host = "a";
  failure: MoveFailure | undefined;
  failedAttempts = 0;
  task: HostMoveInput["task"] = { kind: "none" };
  check: MoveCheckResult | undefined;
  sides: { side: MoveSide } | { error: unknown } | undefined;
  nowMs = 0;

  constructor(isShared: boolean) {
    this.a = createSimulatedHypervisor();
    this.b = createSimulatedHypervisor(isShared ? { sharesStorageWith: this.a } : {});
    this.storage = isShared ? "shared" : "copied";
  }

  async make(isOn: boolean): Promise<void> {
    const here = this.a.open();
    await here.disks.ensureData(this.vm, { name: "root", sizeBytes: 1, preallocated: false });
    await here.disks.writeSeed(this.vm, new Uint8Array(1));
    await here.compute.define({
      identity: this.vm,
      cpus: 1,
      memoryBytes: 1,
      firmware: "BIOS",
      secureBoot: false,
      tpm: false,
      nestedVirtualization: false,
      disks: [{ name: "root" }],
      networks: [],
    });
    if (isOn) await here.compute.start(this.vm);
  }

  /** kill -9. */
  forget(): void {
    this.task = { kind: "none" };
    this.check = undefined;
    this.sides = undefined;
  }

  async step(isCancelled: boolean): Promise<HostMoveStep> {
    const step = decideHostMove({
      ...base,
      nowMs: this.nowMs,
      stage: this.stage,
      isCancelled,
      failedAttempts: this.failedAttempts,
      failedAtMs: 0,
      retries: { maxRetries: 3, delayMs: 0, multiplier: 1 },
      ...(this.failure === undefined ? {} : { failure: this.failure }),
      machine: { ...there, host: this.host, moving: this.moving ? "mine" : "nobody" },
      task: this.task,
      ...(this.check === undefined ? {} : { check: this.check }),
      ...(this.sides === undefined ? {} : { sides: this.sides }),
    });
    const role = this.a.open().migration;
    const to = this.b.open().migration?.target;
    assert.ok(role !== undefined && to !== undefined);
    const power = this.a.world.domains.get(this.vm.uid)?.power;
    const mode = power === "off" ? "offline" : "live";
    switch (step.kind) {
      case "Check":
        this.check = { blockers: [], mode: mode === "live" ? "Live" : "Offline", storage: this.storage };
        break;
      case "Begin":
        this.stage = "moving";
        this.failure = undefined;
        this.moving = true;
        this.check = undefined;
        try {
          this.task = { kind: "done", result: await role.move(this.vm, { to, mode, storage: this.storage }) };
        } catch (error) {
          this.task = { kind: "failed", error, failures: 1, failedMs: 0 };
        }
        break;
      case "SettleSides":
        try {
          this.sides = { side: await role.settle(this.vm, { to, mode, storage: this.storage }) };
        } catch (error) {
          this.sides = { error };
        }
        break;
      case "Land":
        if (step.failure !== undefined) {
          this.failure = step.failure;
          if (step.failure.reason !== "Interrupted") this.failedAttempts += 1;
        }
        this.host = step.side === "target" ? "b" : "a";
        this.moving = false;
        this.sides = undefined;
        break;
      case "End":
        this.stage = "ended";
        break;
      case "Settle":
        this.sides = undefined;
        break;
      case "AddFinalizer":
      case "RemoveFinalizer":
      case "StopWork":
        break;
    }
    return step;
  }

  domains(): { readonly all: number; readonly running: number; readonly host: string } {
    const [a, b] = [this.a.world.domains.get(this.vm.uid), this.b.world.domains.get(this.vm.uid)];
    const both = [a, b].filter((domain) => domain !== undefined);
    return {
      all: both.length,
      running: both.filter(({ power }) => power === "running").length,
      host: a === undefined ? "b" : "a",
    };
  }
}

const fault = fc.constantFrom(
  "none",
  "copied",
  "prepared",
  "switched",
  "lost",
  "refused",
  "unsettled",
  "settle-lost",
  "kill" as const,
);

test("whatever fails and whenever the server is killed: never two running domains, and at the end exactly one, where the machine is said to be", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        isShared: fc.boolean(),
        isOn: fc.boolean(),
        faults: fc.array(fault, { maxLength: 12 }),
        cancelAt: fc.option(fc.nat(12)),
      }),
      async ({ isShared, isOn, faults, cancelAt }) => {
        const world = new World(isShared);
        await world.make(isOn);
        let count = 0;
        for (; count < 60; count += 1) {
          const next = faults[count] ?? "none";
          if (next === "copied" || next === "prepared" || next === "switched") world.a.world.brokenMove = next;
          if (next === "lost") world.a.loseAnswer("migration.move");
          if (next === "refused") world.a.fail("migration.move");
          if (next === "unsettled") world.a.fail("migration.settle");
          if (next === "settle-lost") world.a.loseAnswer("migration.settle");
          if (next === "kill") world.forget();
          const step = await world.step(cancelAt !== null && count >= cancelAt);
          assert.ok(world.domains().running <= 1, "it runs twice");
          world.nowMs += 1;
          if (step.kind === "End") break;
        }
        assert.ok(count < 60, "it did not end");
        const { all, running, host } = world.domains();
        assert.deepEqual([all, running, host], [1, isOn ? 1 : 0, world.host]);
        const [a, b] = [world.a.world.volumesOf(world.vm.uid).length, world.b.world.volumesOf(world.vm.uid).length];
        assert.deepEqual([a, b], isShared ? [2, 2] : world.host === "a" ? [2, 0] : [0, 2]);
      },
    ),
    { numRuns: 300 },
  );
});
