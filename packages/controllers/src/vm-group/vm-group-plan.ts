// What a group does next: pure. Knows the order and the time, and nothing of machines.
//
//   Waiting ──what is before it is done──► Working ──its goal is reached──► Done
//      │                                      │
//      └─what is before it failed─► Skipped   └─impossible, or too late─► Failed

import type { VMGroupStatus } from "@vivarium/api";

export type GroupOperation = NonNullable<VMGroupStatus["operation"]>;
export type GroupAction = GroupOperation["action"];
export type MemberState = GroupOperation["members"][number]["state"];

/** What was seen of one machine, as to what is wanted of it. */
export type Goal =
  | { readonly kind: "reached"; readonly sinceMs: number }
  | { readonly kind: "open"; readonly message: string }
  | { readonly kind: "impossible"; readonly message: string };

export interface Member {
  readonly name: string;
  /** Members that it needs. */
  readonly dependsOn: readonly string[];
  readonly timeoutMs: number;
  /** How long its goal must have been reached. */
  readonly settleMs: number;
  readonly state: MemberState;
  /** When its turn came. */
  readonly sinceMs: number | undefined;
  readonly message?: string | undefined;
  readonly goal: Goal;
}

export interface DecidedMember {
  readonly name: string;
  readonly state: MemberState;
  readonly sinceMs: number | undefined;
  readonly message: string | undefined;
}

export interface GroupDecision {
  readonly members: readonly DecidedMember[];
  /** Machines to do it with now; safe to repeat. */
  readonly act: readonly string[];
  readonly phase: GroupOperation["phase"];
  /** When to look again though nothing was heard. */
  readonly wakeAtMs: number | undefined;
}

/** Why there is no order, or undefined. */
export function whyNoOrder(members: readonly Pick<Member, "name" | "dependsOn">[]): string | undefined {
  const names = new Set(members.map(({ name }) => name));
  for (const { name, dependsOn } of members) {
    const unknown = dependsOn.find((each) => !names.has(each));
    if (unknown !== undefined) return `member "${name}" depends on "${unknown}", which is no member`;
  }
  const left = new Map(members.map(({ name, dependsOn }) => [name, dependsOn]));
  for (let isMoving = true; isMoving;) {
    isMoving = false;
    for (const [name, dependsOn] of left) {
      if (dependsOn.some((each) => left.has(each))) continue;
      left.delete(name);
      isMoving = true;
    }
  }
  return left.size === 0 ? undefined : `members depend on each other in a circle: ${[...left.keys()].join(", ")}`;
}

/** Members that there is an order for (`whyNoOrder`). */
export function decideGroup(action: GroupAction, members: readonly Member[], nowMs: number): GroupDecision {
  const before = beforeOf(action, members);
  const decided = new Map<string, DecidedMember>();
  const byName = new Map(members.map((member) => [member.name, member]));
  const decide = (member: Member): DecidedMember => {
    const known = decided.get(member.name);
    if (known !== undefined) return known;
    const earlier = (before.get(member.name) ?? [])
      .flatMap((name) => byName.get(name) ?? [])
      .map((each) => decide(each));
    const fresh = decideMember(action, { member, earlier, nowMs });
    decided.set(member.name, fresh);
    return fresh;
  };
  const all = members.map((member) => decide(member));
  const due = members.flatMap((member) => dueOf(member, decided.get(member.name)));
  return {
    members: all,
    act: all.filter(({ state }) => state === "Working").map(({ name }) => name),
    phase: phaseOf(all),
    wakeAtMs: due.length === 0 ? undefined : Math.min(...due),
  };
}

/** Per machine, whose turn is before its own. */
function beforeOf(action: GroupAction, members: readonly Member[]): ReadonlyMap<string, readonly string[]> {
  switch (action) {
    case "Start":
      return new Map(members.map(({ name, dependsOn }) => [name, dependsOn]));
    case "Stop":
    case "Delete":
      return new Map(
        members.map(({ name }) => [
          name,
          members.filter(({ dependsOn }) => dependsOn.includes(name)).map((each) => each.name),
        ]),
      );
    case "Snapshot":
      return new Map();
  }
}

function decideMember(
  action: GroupAction,
  {
    member,
    earlier,
    nowMs,
  }: { readonly member: Member; readonly earlier: readonly DecidedMember[]; readonly nowMs: number },
): DecidedMember {
  const { name, state, goal } = member;
  if (state === "Failed" || state === "Skipped") {
    return { name, state, sinceMs: member.sinceMs, message: member.message };
  }
  const failed = earlier.find((each) => each.state === "Failed" || each.state === "Skipped");
  if (failed !== undefined && state !== "Done") {
    return { name, state: "Skipped", sinceMs: member.sinceMs, message: skippedBecause(action, failed) };
  }
  const awaited = earlier.filter((each) => each.state !== "Done");
  if (awaited.length > 0) {
    const message = `its turn comes after ${awaited.map((each) => each.name).join(", ")}`;
    return { name, state: "Waiting", sinceMs: member.sinceMs, message };
  }
  // One that was done and is not any more is worked on again, in what is left of its time.
  const sinceMs = member.sinceMs ?? nowMs;
  if (goal.kind === "reached" && nowMs >= goal.sinceMs + member.settleMs) {
    return { name, state: "Done", sinceMs, message: undefined };
  }
  if (goal.kind === "impossible") return { name, state: "Failed", sinceMs, message: goal.message };
  const message = goal.kind === "open" ? goal.message : "it must stay so for a while";
  if (nowMs >= sinceMs + member.timeoutMs) {
    const late = `not done after ${Math.round(member.timeoutMs / 1000)} s: ${message}`;
    return { name, state: "Failed", sinceMs, message: late };
  }
  return { name, state: "Working", sinceMs, message };
}

function skippedBecause(action: GroupAction, failed: DecidedMember): string {
  const how = failed.state === "Failed" ? "failed" : "was skipped";
  return action === "Start" ? `it needs ${failed.name}, which ${how}` : `${failed.name}, which needs it, ${how}`;
}

function phaseOf(members: readonly DecidedMember[]): GroupOperation["phase"] {
  if (members.some(({ state }) => state === "Waiting" || state === "Working")) return "Running";
  const done = members.filter(({ state }) => state === "Done").length;
  if (done === members.length && done > 0) return "Succeeded";
  return done === 0 ? "Failed" : "PartiallyFailed";
}

function dueOf(member: Member, decided: DecidedMember | undefined): readonly number[] {
  if (decided?.state !== "Working" || decided.sinceMs === undefined) return [];
  const late = decided.sinceMs + member.timeoutMs;
  return member.goal.kind === "reached" ? [Math.min(late, member.goal.sinceMs + member.settleMs)] : [late];
}
