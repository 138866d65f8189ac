import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { decideGroup, whyNoOrder } from "./vm-group-plan.ts";
import type { GroupAction, Goal, Member } from "./vm-group-plan.ts";

const open: Goal = { kind: "open", message: "off" };
const reached: Goal = { kind: "reached", sinceMs: 0 };

function member(name: string, more: Partial<Member> = {}): Member {
  return {
    name,
    dependsOn: [],
    timeoutMs: 1000,
    settleMs: 0,
    state: "Waiting",
    sinceMs: undefined,
    goal: open,
    ...more,
  };
}

function states(action: GroupAction, members: readonly Member[], nowMs = 0): string {
  return decideGroup(action, members, nowMs)
    .members.map(({ name, state }) => `${name}:${state}`)
    .join(" ");
}

describe("a group", () => {
  const db = member("db");
  const web = member("web", { dependsOn: ["db"] });

  test("starts what others need first", () => {
    assert.equal(states("Start", [web, db]), "web:Waiting db:Working");
    assert.deepEqual(decideGroup("Start", [web, db], 0).act, ["db"]);
    assert.equal(states("Start", [web, { ...db, goal: reached }]), "web:Working db:Done");
  });

  test("stops and deletes in reverse order", () => {
    for (const action of ["Stop", "Delete"] as const) {
      assert.equal(states(action, [web, db]), "web:Working db:Waiting");
      assert.equal(states(action, [{ ...web, goal: reached }, db]), "web:Done db:Working");
    }
  });

  test("takes snapshots of all at once", () => {
    assert.equal(states("Snapshot", [web, db]), "web:Working db:Working");
  });

  test("what needs a failed one is skipped, and others go on", () => {
    const members = [{ ...db, goal: { kind: "impossible", message: "gone" } as const }, web, member("alone")];
    const decision = decideGroup("Start", members, 0);
    assert.equal(states("Start", members), "db:Failed web:Skipped alone:Working");
    assert.equal(decision.members[1]?.message, "it needs db, which failed");
    assert.equal(decision.phase, "Running");
  });

  test("one that is not ready in its time has failed, and is woken for that", () => {
    const working = { ...db, state: "Working", sinceMs: 0 } as const;
    assert.equal(decideGroup("Start", [working], 999).wakeAtMs, 1000);
    assert.equal(states("Start", [working], 1000), "db:Failed");
  });

  test("one that must have been ready for a while lets the next wait for that long", () => {
    const settling = { ...db, settleMs: 500, goal: reached, sinceMs: 0 };
    assert.equal(states("Start", [settling, web], 400), "db:Working web:Waiting");
    assert.equal(decideGroup("Start", [settling], 400).wakeAtMs, 500);
    assert.equal(states("Start", [settling, web], 500), "db:Done web:Working");
  });

  test("one that was done and is not any more holds the next back", () => {
    const lost = { ...db, state: "Done", sinceMs: 0 } as const;
    assert.equal(states("Start", [lost, web], 10), "db:Working web:Waiting");
  });

  test("an empty one has nothing that could succeed", () => {
    assert.equal(decideGroup("Start", [], 0).phase, "Failed");
  });

  test("circles and unknown members are no order", () => {
    assert.match(whyNoOrder([web]) ?? "", /"web" depends on "db", which is no member/);
    assert.match(whyNoOrder([web, member("db", { dependsOn: ["web"] })]) ?? "", /circle: web, db/);
    assert.match(whyNoOrder([member("a", { dependsOn: ["a"] })]) ?? "", /circle: a/);
    assert.equal(whyNoOrder([web, db]), undefined);
  });
});

/** A graph without circles, and for each machine how it behaves when it is asked. */
const groups = fc.array(
  fc.record({
    needs: fc.array(fc.nat(), { maxLength: 3 }),
    behaviour: fc.constantFrom("quick" as const, "slow" as const, "never" as const, "impossible" as const),
  }),
  { minLength: 1, maxLength: 8 },
);

describe("however machines behave", () => {
  for (const action of ["Start", "Stop", "Delete"] as const) {
    test(`${action} asks none before its turn, and ends`, () => {
      fc.assert(
        fc.property(groups, (drawn) => {
          const names = drawn.map((_, index) => `m${index}`);
          const needs = drawn.map((each, index) =>
            index === 0 ? [] : [...new Set(each.needs.map((n) => `m${n % index}`))],
          );
          const goals = new Map<string, Goal>(
            drawn.map((each, index) => [
              `m${index}`,
              each.behaviour === "impossible" ? { kind: "impossible", message: "no" } : open,
            ]),
          );
          const isReached = (name: string): boolean => goals.get(name)?.kind === "reached";
          let members = names.map((name, index) => member(name, { dependsOn: needs[index] ?? [] }));
          let phase: string = "Running";
          for (let nowMs = 0; phase === "Running"; nowMs += 100) {
            assert.ok(nowMs < 20_000, "it does not end");
            members = members.map((each) => ({ ...each, goal: goals.get(each.name) ?? open }));
            const decision = decideGroup(action, members, nowMs);
            for (const name of decision.act) {
              const index = names.indexOf(name);
              const earlier =
                action === "Start" ? (needs[index] ?? []) : names.filter((_, other) => needs[other]?.includes(name));
              assert.ok(earlier.every(isReached), `${name} was asked before ${earlier.join()}`);
              const behaviour = drawn[index]?.behaviour;
              const since = decision.members[index]?.sinceMs ?? 0;
              if (behaviour === "quick" || (behaviour === "slow" && nowMs >= since + 500)) {
                goals.set(name, { kind: "reached", sinceMs: nowMs });
              }
            }
            members = members.map((each, index) => ({ ...each, ...decision.members[index] }));
            phase = decision.phase;
          }
          const isWell = drawn.every(({ behaviour }) => behaviour === "quick" || behaviour === "slow");
          assert.equal(phase === "Succeeded", isWell);
          for (const { name, state } of members) assert.equal(state === "Done", isReached(name));
        }),
      );
    });
  }
});
