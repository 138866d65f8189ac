import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { judge } from "./judge.ts";
import type { SettleStep, SideView } from "./judge.ts";

const absent: SideView = { kind: "absent" };
const present = (change: Partial<Extract<SideView, { kind: "present" }>>): SideView => ({
  kind: "present",
  power: "on",
  isPersistent: true,
  isBusy: false,
  ...change,
});
const running = present({});
const off = present({ power: "off" });
const halted = present({ power: "halted", haltedFor: "migration" });
const userPaused = present({ power: "halted", haltedFor: "other" });
const postcopy = present({ power: "halted", haltedFor: "postcopy" });
const waiting = present({ power: "halted", haltedFor: "migration", isPersistent: false });

const table: readonly (readonly [string, SideView, SideView, SettleStep["kind"]])[] = [
  ["nothing began: it is at the source", running, absent, "Done"],
  ["a move is under way: it is given up first", present({ isBusy: true }), waiting, "AbortJob"],
  ["the target only waits: it goes", halted, waiting, "RemoveTarget"],
  ["all memory was moved, and nobody told the target: the source goes on", halted, absent, "ResumeSource"],
  ["the target is about to be complete", halted, present({ isPersistent: false }), "Wait"],
  ["it runs at the target: the source is old", halted, running, "RemoveSource"],
  ["it ran at the target and went off there: the source is old all the same", halted, off, "RemoveSource"],
  ["the source is gone, and the target was not let go", absent, halted, "ResumeTarget"],
  ["it was halted by its user: so it stays", absent, userPaused, "Done"],
  ["it was halted by its user, and is complete at the target", userPaused, userPaused, "RemoveSource"],
  ["offline: defined at the target, the source is left over", off, off, "RemoveSource"],
  ["offline: nothing is defined at the target yet", off, absent, "Done"],
  ["a guest that runs is never given up for a mere definition", running, off, "RemoveTarget"],
  ["it runs on both sides: hands off", running, running, "Split"],
  ["after post-copy the rest of the memory is nowhere", postcopy, absent, "StopSource"],
  ["after post-copy it runs at the target", postcopy, running, "RemoveSource"],
  ["nobody has it", absent, absent, "Done"],
];
for (const [title, source, target, wanted] of table) {
  test(title, () => {
    assert.equal(judge(source, target).kind, wanted);
  });
}

const anySide: fc.Arbitrary<SideView> = fc.oneof(
  fc.constant(absent),
  fc
    .record({
      power: fc.constantFrom("on" as const, "halted" as const, "off" as const),
      haltedFor: fc.constantFrom("migration" as const, "postcopy" as const, "other" as const),
      isPersistent: fc.boolean(),
      isBusy: fc.boolean(),
    })
    .map(({ haltedFor, ...side }) => present({ ...side, ...(side.power === "halted" ? { haltedFor } : {}) })),
);

/** What a host would do. */
function carryOut(step: SettleStep, source: SideView, target: SideView): readonly [SideView, SideView] {
  const go = (side: SideView): SideView => {
    if (side.kind === "absent") return side;
    const { haltedFor: _, ...rest } = side;
    return { ...rest, power: "on" };
  };
  switch (step.kind) {
    case "AbortJob":
      return [source.kind === "present" ? { ...source, isBusy: false } : source, target];
    case "Wait":
      return [source, target.kind === "present" ? { ...target, isPersistent: true } : target];
    case "RemoveSource":
      return [absent, target];
    case "RemoveTarget":
      return [source, absent];
    case "ResumeSource":
      return [go(source), target];
    case "ResumeTarget":
      return [source, go(target)];
    case "StopSource":
      return [off, target];
    case "Done":
    case "Split":
      return [source, target];
  }
}

test("from whatever two hosts say it ends within a few steps, on one side, and never stops a running guest for anything but a running one", () => {
  fc.assert(
    fc.property(anySide, anySide, (first, second) => {
      let [source, target] = [first, second];
      for (let count = 0; count < 8; count += 1) {
        const step = judge(source, target);
        if (step.kind === "Split") {
          assert.ok([source, target].every((side) => side.kind === "present" && side.power === "on"));
          return;
        }
        if (step.kind === "Done") {
          assert.equal(
            [source, target].filter(({ kind }) => kind === "present").length,
            step.side === "neither" ? 0 : 1,
          );
          const kept = step.side === "source" ? source : target;
          assert.ok(step.side === "neither" || kept.kind === "present");
          return;
        }
        if (step.kind === "RemoveSource") assert.ok(source.kind === "present" && source.power !== "on");
        [source, target] = carryOut(step, source, target);
      }
      assert.fail("it did not end");
    }),
  );
});
