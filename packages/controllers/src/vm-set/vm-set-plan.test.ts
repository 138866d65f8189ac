import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { decideVmSet } from "./vm-set-plan.ts";
import type { Replica, VmSetDecision, VmSetInput } from "./vm-set-plan.ts";

const base: VmSetInput = {
  replicas: 3,
  start: 0,
  strategy: "RollingUpdate",
  limits: { maxUnavailable: 0, maxSurge: 1, partition: 0 },
  isOrdered: true,
  isPaused: false,
  currentRevision: "a",
  updateRevision: "a",
  machines: [],
};

function machine(ordinal: number, revision = "a", more: Partial<Replica> = {}): Replica {
  return {
    name: `m-${ordinal}`,
    ordinal,
    revision,
    isAvailable: true,
    isBroken: false,
    isTerminating: false,
    ...more,
  };
}

const three = [machine(0), machine(1), machine(2)];
const rolling = { updateRevision: "b" };
const away = { isAvailable: false };

const cases: readonly {
  readonly rule: string;
  readonly input: Partial<VmSetInput>;
  readonly creates?: readonly string[];
  readonly removes?: readonly string[];
}[] = [
  { rule: "an empty set gets its first machine", input: {}, creates: ["0a"] },
  { rule: "in parallel all at once", input: { isOrdered: false }, creates: ["0a", "1a", "2a"] },
  { rule: "in order the next waits for the one before", input: { machines: [machine(0, "a", away)] } },
  { rule: "and comes when that is available", input: { machines: [machine(0)] }, creates: ["1a"] },
  { rule: "a whole set rests", input: { machines: three } },
  { rule: "numbers begin where they are told to", input: { start: 5 }, creates: ["5a"] },
  {
    rule: "fewer wanted: the highest goes first",
    input: { replicas: 1, limits: { maxSurge: 0, maxUnavailable: 0, partition: 0 }, machines: three },
    removes: ["m-2 Scaled"],
  },
  {
    rule: "fewer wanted, in parallel: all at once",
    input: { replicas: 1, limits: { maxSurge: 0, maxUnavailable: 0, partition: 0 }, machines: three, isOrdered: false },
    removes: ["m-2 Scaled", "m-1 Scaled"],
  },
  {
    rule: "a rollout without room for absence begins with one more",
    input: { ...rolling, machines: three },
    creates: ["3b"],
  },
  {
    rule: "and waits for it",
    input: { ...rolling, machines: [...three, machine(3, "b", away)] },
  },
  {
    rule: "then the highest of the earlier template goes",
    input: { ...rolling, machines: [...three, machine(3, "b")] },
    removes: ["m-2 Updated"],
  },
  {
    rule: "one at a time in order",
    input: { ...rolling, machines: [machine(0), machine(1), machine(2, "b", away), machine(3, "b")] },
  },
  {
    rule: "a new one comes when the old one is gone, not before",
    input: {
      ...rolling,
      machines: [machine(0), machine(1), machine(2, "a", { isTerminating: true }), machine(3, "b")],
    },
  },
  {
    rule: "in its place",
    input: { ...rolling, machines: [machine(0), machine(1), machine(3, "b")] },
    creates: ["2b"],
  },
  {
    rule: "at the end the one more goes",
    input: { ...rolling, machines: [0, 1, 2, 3].map((each) => machine(each, "b")) },
    removes: ["m-3 SurgeOver"],
  },
  {
    rule: "but not while it is needed",
    input: { ...rolling, machines: [machine(0, "b", away), machine(1, "b"), machine(2, "b"), machine(3, "b")] },
  },
  {
    rule: "one that may be absent is deleted at once",
    input: { ...rolling, machines: three, limits: { maxSurge: 0, maxUnavailable: 1, partition: 0 } },
    removes: ["m-2 Updated"],
  },
  {
    rule: "one that serves nobody goes before those that do",
    input: {
      ...rolling,
      machines: [machine(0, "a", away), machine(1), machine(2)],
      limits: { maxSurge: 0, maxUnavailable: 1, partition: 0 },
    },
    removes: ["m-0 Updated"],
  },
  {
    rule: "a template that does not come up stops the rollout",
    input: {
      ...rolling,
      machines: [machine(0), machine(1), machine(2, "b", away)],
      limits: { maxSurge: 0, maxUnavailable: 1, partition: 0 },
    },
  },
  {
    rule: "and its mend begins with what is broken",
    input: {
      updateRevision: "c",
      machines: [machine(0), machine(1), machine(2, "b", away)],
      limits: { maxSurge: 0, maxUnavailable: 1, partition: 0 },
    },
    removes: ["m-2 Updated"],
  },
  {
    rule: "one more that never came up makes room for one of the new template",
    input: { updateRevision: "c", machines: [...three, machine(3, "b", away)] },
    removes: ["m-3 Updated"],
  },
  {
    rule: "below the partition the earlier template stays",
    input: {
      ...rolling,
      machines: [machine(0), machine(1), machine(2, "b")],
      limits: { maxSurge: 0, maxUnavailable: 1, partition: 2 },
    },
  },
  {
    rule: "and is what a missing one is made from",
    input: {
      ...rolling,
      machines: [machine(1), machine(2, "b")],
      limits: { maxSurge: 0, maxUnavailable: 1, partition: 2 },
    },
    creates: ["0a"],
  },
  { rule: "a paused set does not roll", input: { ...rolling, machines: three, isPaused: true } },
  {
    rule: "but scales, with the earlier template",
    input: { ...rolling, replicas: 4, machines: three, isPaused: true },
    creates: ["3a"],
  },
  { rule: "OnDelete leaves what there is", input: { ...rolling, strategy: "OnDelete", machines: three } },
  {
    rule: "and makes what is deleted from the new template",
    input: { ...rolling, strategy: "OnDelete", machines: [machine(0), machine(2)] },
    creates: ["1b"],
  },
  {
    rule: "Recreate deletes all",
    input: { ...rolling, strategy: "Recreate", machines: three },
    removes: ["m-0 Updated", "m-1 Updated", "m-2 Updated"],
  },
  {
    rule: "Recreate makes none before all are gone",
    input: { ...rolling, strategy: "Recreate", machines: [machine(2, "a", { isTerminating: true })] },
  },
  {
    rule: "a broken machine is replaced where that is asked for",
    input: { machines: [machine(0), machine(1, "a", { ...away, isBroken: true }), machine(2)], maxUnhealthy: 1 },
    removes: ["m-1 Broken"],
  },
  {
    rule: "and left where it is not",
    input: { machines: [machine(0), machine(1, "a", { ...away, isBroken: true }), machine(2)] },
  },
  {
    rule: "with too many broken none is replaced",
    input: { machines: three.map((each) => ({ ...each, ...away, isBroken: true })), maxUnhealthy: 1 },
  },
];

describe("decideVmSet", () => {
  for (const { rule, input, creates = [], removes = [] } of cases) {
    test(rule, () => {
      const decision = decideVmSet({ ...base, ...input });
      assert.deepEqual(
        decision.create.map(({ ordinal, revision }) => `${ordinal}${revision}`),
        creates,
      );
      assert.deepEqual(
        decision.remove.map(({ name, why }) => `${name} ${why}`),
        removes,
      );
    });
  }

  test("what is done or waited for is said, and nothing of a set at rest", () => {
    assert.equal(decideVmSet({ ...base, machines: three }).waitingFor, undefined);
    assert.match(
      decideVmSet({ ...base, ...rolling, machines: three }).waitingFor ?? "",
      /3 of 3 machines to be replaced/,
    );
    assert.match(decideVmSet({ ...base, machines: [machine(0, "a", away)] }).waitingFor ?? "", /m-0 to be available/);
  });
});

type Change =
  | { readonly kind: "spec"; readonly spec: Partial<VmSetInput> }
  | { readonly kind: "loses"; readonly index: number };

const limits = fc
  .record({ maxUnavailable: fc.nat(3), maxSurge: fc.nat(3), partition: fc.nat(2) })
  .map((each) => (each.maxUnavailable + each.maxSurge === 0 ? { ...each, maxUnavailable: 1 } : each));

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("spec" as const),
    spec: fc.oneof(
      fc.record({ replicas: fc.nat(6) }),
      fc.record({ updateRevision: fc.constantFrom("a", "b", "c") }),
      fc.record({ limits }),
      fc.record({ isPaused: fc.boolean() }),
      fc.record({ isOrdered: fc.boolean() }),
      fc.record({ strategy: fc.constantFrom("RollingUpdate" as const, "OnDelete" as const, "Recreate" as const) }),
    ),
  }),
  fc.record({ kind: fc.constant("loses" as const), index: fc.nat(5) }),
);

/** The set's world: machines come up and go away as time passes. */
class World {
  input: VmSetInput = { ...base, currentRevision: "a" };

  apply(each: Change): void {
    if (each.kind === "spec") {
      this.input = { ...this.input, ...each.spec };
      return;
    }
    const machines = this.input.machines.map((one, index) => (index === each.index ? { ...one, ...away } : one));
    this.input = { ...this.input, machines };
  }

  step(): VmSetDecision {
    const decision = decideVmSet(this.#effective());
    this.#check(decision);
    const gone = new Set(decision.remove.map(({ name }) => name));
    const made = decision.create.map(({ ordinal, revision }) => machine(ordinal, revision, away));
    const machines = [
      ...this.input.machines.map((each) => (gone.has(each.name) ? { ...each, isTerminating: true } : each)),
      ...made,
    ];
    this.input = { ...this.input, machines };
    return decision;
  }

  /** One machine that is going is gone, and one that is coming is there. */
  pass(pick: number): void {
    const { machines } = this.input;
    const moving = machines.filter((each) => each.isTerminating || !each.isAvailable);
    const chosen = moving[pick % Math.max(1, moving.length)];
    if (chosen === undefined) return;
    this.input = {
      ...this.input,
      machines: chosen.isTerminating
        ? machines.filter((each) => each !== chosen)
        : machines.map((each) => (each === chosen ? { ...each, isAvailable: true } : each)),
    };
  }

  /** As the controller gives it. */
  #effective(): VmSetInput {
    const { strategy, limits: given } = this.input;
    return strategy === "RollingUpdate"
      ? this.input
      : { ...this.input, limits: { ...given, maxSurge: 0, partition: 0 } };
  }

  #check({ create, remove }: VmSetDecision): void {
    const input = this.#effective();
    const { machines, replicas, start, limits: given, strategy, isPaused } = input;
    const end = start + replicas;
    const names = new Set(machines.map(({ name }) => name));
    const ordinals = create.map(({ ordinal }) => ordinal);
    assert.equal(new Set(ordinals).size, ordinals.length, "no number is made twice");
    for (const ordinal of ordinals) {
      assert.ok(!names.has(`m-${ordinal}`), "what there is is not made");
      assert.ok(ordinal >= start && ordinal < end + given.maxSurge, "never more than replicas + maxSurge");
    }
    const removed = new Set(remove.map(({ name }) => name));
    for (const { name, why } of remove) {
      const victim = machines.find((each) => each.name === name);
      assert.ok(victim !== undefined && !victim.isTerminating);
      if (why !== "Updated") continue;
      assert.notEqual(victim.revision, input.updateRevision);
      assert.ok(!isPaused && strategy !== "OnDelete");
      if (strategy === "RollingUpdate") assert.ok(victim.ordinal >= start + given.partition);
    }
    const serves = (each: Replica): boolean =>
      each.isAvailable && !each.isTerminating && each.ordinal >= start && each.ordinal < end + given.maxSurge;
    const costs = remove.some(
      ({ name, why }) => why !== "Scaled" && machines.some((each) => each.name === name && serves(each)),
    );
    if (costs && strategy === "RollingUpdate") {
      const left = machines.filter((each) => serves(each) && !removed.has(each.name)).length;
      assert.ok(
        left >= replicas - given.maxUnavailable,
        `${left} of ${replicas} left, ${given.maxUnavailable} may be away`,
      );
    }
  }
}

test("whatever changes meanwhile, the limits hold, and in the end all is as declared", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(change, fc.nat(4), fc.nat(9)), { maxLength: 12 }), fc.nat(9), (history, pick) => {
      const world = new World();
      for (const [each, passes, which] of history) {
        world.apply(each);
        for (let time = 0; time <= passes; time += 1) {
          world.step();
          world.pass(which + time);
        }
      }
      world.input = { ...world.input, isPaused: false };
      for (let time = 0; time < 200; time += 1) {
        world.step();
        world.pass(pick + time);
      }
      const { input } = world;
      const decision = world.step();
      assert.deepEqual(decision, { create: [], remove: [] });
      assert.equal(input.machines.length, input.replicas);
      assert.ok(input.machines.every((each) => each.isAvailable && !each.isTerminating));
      if (input.strategy === "OnDelete") return;
      const from = input.strategy === "Recreate" ? 0 : input.limits.partition;
      const updated = input.machines.filter(({ ordinal }) => ordinal >= input.start + from);
      assert.ok(updated.every(({ revision }) => revision === input.updateRevision));
    }),
    { numRuns: 2_000 },
  );
});
