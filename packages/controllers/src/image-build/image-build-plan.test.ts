import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decideBuild } from "./image-build-plan.ts";
import type { BuildInput, BuildMachine, BuildStep, SealTask } from "./image-build-plan.ts";

const digest = `sha256:${"a".repeat(64)}`;
const recipeDigest = `sha256:${"b".repeat(64)}`;
const machine: Extract<BuildMachine, { kind: "present" }> = {
  kind: "present",
  uid: "m1",
  isDeleting: false,
  isOff: false,
  isToldOff: false,
  message: "Running",
};
const waiting: BuildInput = {
  nowMs: 1_000_000,
  isDeleting: false,
  hasFinalizer: true,
  isCancelled: false,
  keepOnFailure: false,
  phase: "Queued",
  record: { attempt: 0, stage: "none" },
  timeoutMs: 60_000,
  retries: 1,
  target: {
    kind: "found",
    image: "web-1",
    parent: "debian",
    parentIs: { kind: "ready" },
    digest,
    recipeDigest,
    sources: [],
  },
  provider: { kind: "open", layer: { kind: "absent" } },
  machine: { kind: "absent" },
  log: { kind: "silent" },
  sealing: { kind: "none" },
  asking: { kind: "none" },
  place: { kind: "admitted" },
};
assert.ok(waiting.target.kind === "found");
const needy: BuildInput = { ...waiting, target: { ...waiting.target, sources: ["https://packages.example/Release"] } };
const nobody: BuildInput["asking"] = { kind: "done", result: [{ url: "https://packages.example/Release", why: "no" }] };
const parentless: BuildInput["target"] = {
  ...waiting.target,
  sources: ["https://packages.example/Release"],
  parentIs: { kind: "preparing", message: "soon" },
};
const record = { attempt: 1, stage: "machine", startedMs: 990_000, digest, recipeDigest, machine: "m1" } as const;
const running: BuildInput = { ...waiting, phase: "Building", record, machine };
const built: BuildInput = { ...running, record: { ...record, stage: "built" } };
const off: BuildMachine = { ...machine, isOff: true, isToldOff: true };
const failedLog = { kind: "failed", step: undefined, why: "exit status 1", unreachable: [], lastLines: [] } as const;
const failedSeal: SealTask = { kind: "failed", error: new Error("full"), failures: 3, failedMs: 0 };

/** The step's kind, with the phase it settles in or the reason it ends with. */
function brief(step: BuildStep): string {
  if (step.kind === "Settle") return `Settle ${step.situation.kind}`;
  if (step.kind === "End") return `End ${step.end.phase} ${step.end.reason}`;
  return step.kind;
}

const rows: readonly (readonly [string, BuildInput, string])[] = [
  ["nothing is made before it is held", { ...waiting, hasFinalizer: false }, "AddFinalizer"],
  ["it begins when it has a turn", waiting, "Begin"],
  ["it waits for its turn", { ...waiting, place: { kind: "queued", position: 2 } }, "Settle Queued"],
  [
    "it waits for another one of the layer",
    { ...waiting, place: { kind: "duplicate", of: "default/a" } },
    "Settle Queued",
  ],
  ["what its guest will need is asked first", needy, "AskSources"],
  ["and the answers waited for", { ...needy, asking: { kind: "running", startedMs: 0 } }, "Settle Checking"],
  ["it begins when all answer", { ...needy, asking: { kind: "done", result: [] } }, "Begin"],
  ["it ends where nobody does", { ...needy, asking: nobody }, "End Failed RepositoryUnreachable"],
  [
    "without waiting for its parent",
    { ...needy, target: parentless, asking: nobody },
    "End Failed RepositoryUnreachable",
  ],
  [
    "what cannot be found out from here the guest finds out",
    { ...needy, asking: { kind: "failed", error: new Error("late"), failures: 1, failedMs: 0 } },
    "Begin",
  ],
  [
    "what is there needs nothing",
    { ...needy, asking: nobody, provider: { kind: "open", layer: { kind: "present" } } },
    "End Succeeded Cached",
  ],
  ["what has begun is not ended by it", { ...running, target: needy.target, asking: nobody }, "Settle Starting"],
  [
    "what is there is not built",
    { ...waiting, provider: { kind: "open", layer: { kind: "present" } } },
    "End Succeeded Cached",
  ],
  [
    "its machine is made once its turn is written down",
    {
      ...running,
      record: { attempt: 1, stage: "machine", startedMs: 990_000, digest, recipeDigest },
      machine: { kind: "absent" },
    },
    "CreateMachine",
  ],
  ["a guest that says nothing is starting", running, "Settle Starting"],
  ["a guest that is done is written down before it is shut down", { ...running, log: { kind: "done" } }, "RecordBuilt"],
  ["then it is shut down", built, "ShutDown"],
  ["once", { ...built, machine: { ...machine, isToldOff: true } }, "Settle ShuttingDown"],
  ["and sealed when it is off", { ...built, machine: off }, "Seal"],
  [
    "a seal that fails again and again ends it",
    { ...built, machine: off, sealing: failedSeal },
    "End Failed SealFailed",
  ],
  ["a recipe that fails is not tried again", { ...running, log: failedLog }, "End Failed RecipeFailed"],
  ["a machine that went off is replaced", { ...running, machine: { ...machine, stopped: "crashed" } }, "RemoveMachine"],
  [
    "as often as may be",
    { ...running, record: { ...record, attempt: 2 }, machine: { ...machine, stopped: "crashed" } },
    "End Failed MachineStopped",
  ],
  ["a machine that was deleted is replaced", { ...running, machine: { kind: "absent" } }, "Begin"],
  ["what takes too long is replaced", { ...running, nowMs: 1_060_000 }, "RemoveMachine"],
  ["another recipe starts anew", { ...running, record: { ...record, digest: "sha256:old" } }, "RemoveMachine"],
  [
    "a machine of somebody else's is not touched",
    { ...running, machine: { kind: "foreign" } },
    "End Failed NameConflict",
  ],
  ["an ended one removes its machine", { ...running, phase: "Failed" }, "RemoveMachine"],
  ["unless it is to be kept", { ...running, phase: "Failed", keepOnFailure: true }, "Settle Failed"],
  ["a retry that was asked for begins anew", { ...waiting, phase: "Failed", retryRequest: "1" }, "Restart"],
  ["cancelled, its machine goes first", { ...running, isCancelled: true }, "RemoveMachine"],
  [
    "while that goes it is not over",
    { ...running, isCancelled: true, machine: { ...machine, isDeleting: true } },
    "Settle ShuttingDown",
  ],
  ["then it is over", { ...waiting, isCancelled: true }, "End Cancelled Cancelled"],
  ["deleted, its machine goes first", { ...running, isDeleting: true }, "RemoveMachine"],
  ["then it is let go", { ...waiting, isDeleting: true }, "RemoveFinalizer"],
];
for (const [rule, input, expected] of rows) {
  test(rule, () => assert.equal(brief(decideBuild(input)), expected));
}

const inputs: fc.Arbitrary<BuildInput> = fc
  .record({
    base: fc.constantFrom(waiting, running, built),
    phase: fc.constantFrom<NonNullable<BuildInput["phase"]>[]>(
      "Queued",
      "Building",
      "Succeeded",
      "Failed",
      "Cancelled",
    ),
    isDeleting: fc.boolean(),
    hasFinalizer: fc.boolean(),
    isCancelled: fc.boolean(),
    keepOnFailure: fc.boolean(),
    layer: fc.constantFrom<Extract<BuildInput["provider"], { kind: "open" }>["layer"][]>(
      { kind: "unknown" },
      { kind: "absent" },
      { kind: "present" },
    ),
    machine: fc.constantFrom<BuildMachine[]>({ kind: "absent" }, { kind: "foreign" }, machine, off),
    log: fc.constantFrom<BuildInput["log"][]>({ kind: "silent" }, { kind: "done" }, failedLog),
    place: fc.constantFrom<BuildInput["place"][]>({ kind: "admitted" }, { kind: "queued", position: 1 }),
  })
  .map(({ base, layer, ...rest }) => ({ ...base, ...rest, provider: { kind: "open", layer } }));

test("a machine is made only by a build that has begun, is wanted, and whose layer is missing", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      if (decideBuild(input).kind !== "CreateMachine") return;
      assert.ok(input.hasFinalizer && !input.isDeleting && !input.isCancelled && input.record.stage !== "none");
      assert.deepEqual([input.machine.kind, input.provider], ["absent", { kind: "open", layer: { kind: "absent" } }]);
    }),
  );
});

test("success is told only where the layer is, and after its machine is gone", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const step = decideBuild(input);
      if (step.kind !== "End" || step.end.phase !== "Succeeded") return;
      assert.deepEqual(input.provider, { kind: "open", layer: { kind: "present" } });
      assert.notEqual(input.machine.kind, "present");
    }),
  );
});

test("only its own machine is removed, and a disk is sealed only of one that is off and done", () => {
  fc.assert(
    fc.property(inputs, (input) => {
      const step = decideBuild(input);
      if (step.kind === "RemoveMachine") assert.equal(input.machine.kind, "present");
      if (step.kind !== "Seal") return;
      assert.ok(input.record.stage === "built" && input.machine.kind === "present" && input.machine.isOff);
    }),
  );
});

test("the next try says why the machine of the last one was removed", () => {
  const crashed: BuildMachine = { ...machine, stopped: "it crashed" };
  const removal = decideBuild({ ...running, machine: crashed });
  assert.deepEqual(removal, { kind: "RemoveMachine", why: "it crashed" });
  const next = decideBuild({ ...running, record: { ...record, lostFor: "it crashed" }, machine: { kind: "absent" } });
  assert.equal(next.kind === "Begin" && next.why, "it crashed");
});
