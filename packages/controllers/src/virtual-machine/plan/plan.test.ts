import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProviderError } from "@vivarium/provider";
import type { PowerState, VmDefinition } from "@vivarium/provider";
import * as fc from "fast-check";
import { addressPollMs } from "./boot-plan.ts";
import { decide } from "./plan.ts";
import type { PlanInput, Problem, Seen } from "./input.ts";
import type { Step } from "./step.ts";
import { appliedFrom, changedFields } from "../applied.ts";
import type { VmRecord } from "../record.ts";

const nowMs = Date.UTC(2026, 0, 1);
const definition: VmDefinition = {
  identity: { uid: "u", namespace: "default", name: "web" },
  cpus: 2,
  memoryBytes: 1024 ** 3,
  firmware: "BIOS",
  secureBoot: false,
  tpm: false,
  nestedVirtualization: false,
  disks: [{ name: "root" }],
  networks: [{ name: "default", source: { network: "default" }, model: "virtio", mac: "52:54:00:00:00:01" }],
};
const made: VmRecord = { stops: 0, madeOn: "default/sim", applied: appliedFrom(definition, 1) };
const running: VmRecord = { ...made, runningSinceMs: nowMs - 1_000 };
const paused: VmRecord = { ...running, isPausedByUs: true };
const saved: Seen = { ...present("off", "saved"), hasSavedMemory: true };
const address = { ip: "192.0.2.1", source: "lease" } as const;
const unavailable: Seen = { kind: "unavailable", error: new ProviderError("Unavailable", "down") };
const foreign: Seen = { kind: "foreign", domain: "web", reason: "other uuid" };
const absent: Seen = { kind: "absent", volumes: [] };

function present(power: PowerState, powerReason = "booted"): Extract<Seen, { kind: "present" }> {
  const nics = [{ mac: "52:54:00:00:00:01", isIsolated: false, isLinkUp: true, limits: {} }];
  return {
    kind: "present",
    domain: "web",
    power,
    powerReason,
    cpus: 2,
    memoryBytes: 1024 ** 3,
    nics,
    disks: [{ name: "root", isOurs: true, target: "vda", limits: {} }],
    agentConnected: false,
    volumes: [],
  };
}

function input(change: Partial<PlanInput> = {}): PlanInput {
  return {
    nowMs,
    generation: 1,
    hasFinalizer: true,
    isDeleting: false,
    isForcedDelete: false,
    power: "On",
    gracefulTimeoutMs: 60_000,
    powerCyclePolicy: "Manual",
    requests: {},
    record: made,
    expectsAddress: true,
    provider: "default/sim",
    definition: { ok: true, value: definition },
    dataDisks: [],
    diskSizes: [],
    isMacDue: false,
    build: { ok: true, value: { root: { name: "root", imageId: "image-1" }, seed: new Uint8Array(1) } },
    seen: absent,
    addresses: [],
    done: new Set(),
    ...change,
  };
}

/** The step, or the situation it settles in. */
function nameOf(step: Step): string {
  return step.kind === "Settle" ? step.situation.kind : step.kind;
}

function missing(reason: Problem["reason"]): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ reason, message: "missing" }] };
}

const done = (...steps: string[]): ReadonlySet<string> => new Set(steps);
const data = { name: "data", sizeBytes: 1, preallocated: false };

const rows: readonly (readonly [string, Partial<PlanInput>, string])[] = [
  ["the finalizer comes first", { hasFinalizer: false, record: { stops: 0 } }, "AddFinalizer"],
  ["the host is asked before anything is made", { record: { stops: 0 } }, "Check"],
  [
    "the placement is recorded before the first volume",
    { record: { stops: 0 }, done: done("Check") },
    "RecordPlacement",
  ],
  ["the root disk is made first", { done: done("Check") }, "EnsureRootDisk"],
  ["data disks follow", { done: done("Check", "EnsureRootDisk"), dataDisks: [data] }, "EnsureDataDisk"],
  ["then the seed", { done: done("Check", "EnsureRootDisk", "EnsureDataDisk/data"), dataDisks: [data] }, "WriteSeed"],
  ["then the domain", { done: done("Check", "EnsureRootDisk", "WriteSeed") }, "Define"],
  ["a missing class blocks a VM that is absent", { definition: missing("ClassNotFound") }, "Blocked"],
  ["an image on its way blocks after the check", { build: missing("ImageNotReady"), done: done("Check") }, "Blocked"],
  ["an image on its way does not hide what the host refuses", { build: missing("ImageNotReady") }, "Check"],
  ["invalid user-data blocks before the check", { build: missing("InvalidUserData") }, "Blocked"],
  ["a domain that is off is checked", { seen: present("off") }, "Check"],
  ["and defined anew before each start", { seen: present("off"), done: done("Check") }, "Define"],
  ["and started", { seen: present("off"), done: done("Check", "Define") }, "Start"],
  [
    "the lease of the last run is given back before a start",
    {
      seen: present("off"),
      record: { ...made, lastStop: { method: "Guest", timeMs: 0, message: "" } },
      done: done("Check", "Define"),
    },
    "ReleaseLeases",
  ],
  ["a domain that shall be off stays", { seen: present("off"), power: "Off" }, "Stopped"],
  [
    "a changed spec is applied while off",
    {
      seen: present("off"),
      power: "Off",
      record: { ...made, applied: appliedFrom({ ...definition, cpus: 1 }, 1) },
      done: done("Check"),
    },
    "RecordPlacement",
  ],
  [
    "a define that may not have happened is done",
    { seen: present("off"), power: "Off", record: { ...made, isDefineDue: true }, done: done("Check") },
    "Define",
  ],
  [
    "a new data disk of an existing VM is made",
    { seen: present("off"), dataDisks: [data], done: done("Check") },
    "EnsureDataDisk",
  ],
  [
    "a data disk that was made once is never made again",
    {
      seen: present("off"),
      dataDisks: [data],
      record: { ...made, applied: { ...appliedFrom(definition, 1), disks: ["root", "data"] } },
      done: done("Check"),
    },
    "Define",
  ],
  ["a stop is recorded before the start", { seen: present("off", "shutdown"), record: running }, "RecordStop"],
  ["a domain that vanished while it ran is recorded", { record: running }, "RecordStop"],
  ["the back-off is kept", { seen: present("off"), record: { ...made, nextStartMs: nowMs + 1 } }, "StartsLater"],
  ["and ends", { seen: present("off"), record: { ...made, nextStartMs: nowMs } }, "Check"],
  ["a crashed domain is cleared first", { seen: present("crashed") }, "ForceOff"],
  [
    "what was declared is started though its class has gone",
    { seen: present("off"), definition: missing("ClassNotFound") },
    "Start",
  ],
  [
    "what was not declared so is not",
    { seen: present("off"), definition: missing("ClassNotFound"), generation: 2 },
    "Blocked",
  ],
  [
    "a running VM with an address is well",
    { seen: present("running"), record: running, addresses: [address] },
    "Running",
  ],
  [
    "a running VM without interfaces is well",
    { seen: present("running"), record: running, expectsAddress: false },
    "Running",
  ],
  ["a running VM without an address waits", { seen: present("running"), record: running }, "WaitingForAddress"],
  [
    "a class that has gone does not disturb a running VM",
    { seen: present("running"), record: running, addresses: [address], definition: missing("ClassNotFound") },
    "Running",
  ],
  [
    "a late boot is looked at",
    { seen: present("running"), record: { ...made, runningSinceMs: nowMs - 180_000 } },
    "ProbeBoot",
  ],
  [
    "a silent one is retried",
    { seen: present("running"), record: { ...made, runningSinceMs: nowMs - 180_000 }, bootProbe: "silent" },
    "RecordBootRetry",
  ],
  [
    "one that lives is not",
    { seen: present("running"), record: { ...made, runningSinceMs: nowMs - 180_000 }, bootProbe: "alive" },
    "WaitingForAddress",
  ],
  [
    "nor one that has an address",
    {
      seen: present("running"),
      record: { ...made, runningSinceMs: nowMs - 180_000, bootRetry: "wanted" },
      addresses: [address],
    },
    "Running",
  ],
  [
    "nor a second time",
    {
      seen: present("running"),
      record: { ...made, runningSinceMs: nowMs - 180_000, bootRetry: "done" },
      bootProbe: "silent",
    },
    "WaitingForAddress",
  ],
  [
    "a retry that was recorded is done",
    { seen: present("running"), record: { ...running, bootRetry: "wanted" } },
    "ForceOff",
  ],
  ["Off pulls the plug", { seen: present("running"), record: running, power: "Off" }, "ForceOff"],
  [
    "OffGraceful records the request first",
    { seen: present("running"), record: running, power: "OffGraceful" },
    "RecordShutdownRequest",
  ],
  [
    "then asks",
    { seen: present("running"), record: { ...running, shutdownRequestedAtMs: nowMs }, power: "OffGraceful" },
    "RequestShutdown",
  ],
  [
    "then waits",
    {
      seen: present("running"),
      record: { ...running, shutdownRequestedAtMs: nowMs },
      power: "OffGraceful",
      shutdownAskedAtMs: nowMs,
    },
    "ShuttingDown",
  ],
  [
    "then asks again",
    {
      seen: present("running"),
      record: { ...running, shutdownRequestedAtMs: nowMs - 10_000 },
      power: "OffGraceful",
      shutdownAskedAtMs: nowMs - 10_000,
    },
    "RequestShutdown",
  ],
  [
    "then pulls the plug",
    {
      seen: present("running"),
      record: { ...running, shutdownRequestedAtMs: nowMs - 60_000 },
      power: "OffGraceful",
      shutdownAskedAtMs: nowMs,
    },
    "ForceOff",
  ],
  [
    "a restart is checked before the VM is touched",
    { seen: present("running"), record: running, restartRequest: "a" },
    "Check",
  ],
  [
    "a restart that could not start again is not begun",
    { seen: present("running"), record: running, restartRequest: "a", definition: missing("InvalidSpec") },
    "Blocked",
  ],
  [
    "a restart stops gracefully",
    { seen: present("running"), record: running, restartRequest: "a", done: done("Check") },
    "RecordShutdownRequest",
  ],
  [
    "a restart that was carried out is over",
    {
      seen: present("running"),
      record: { ...running, lastRestartRequest: "a" },
      restartRequest: "a",
      addresses: [address],
    },
    "Running",
  ],
  [
    "a restart asked of a VM that is off is recorded before the start",
    { seen: present("off"), restartRequest: "a" },
    "RecordStop",
  ],
  ["a paused domain is not ours to resume", { seen: present("paused", "ioerror"), record: running }, "Paused"],
  [
    "a pause is recorded before it is made",
    { seen: present("running"), record: running, power: "Paused" },
    "RecordPause",
  ],
  ["then made", { seen: present("running"), record: paused, power: "Paused" }, "Pause"],
  ["a paused VM stays so", { seen: present("paused", "user"), record: paused, power: "Paused" }, "PausedAsDeclared"],
  ["a pause of ours is ended", { seen: present("paused", "user"), record: paused }, "Resume"],
  ["also to shut down", { seen: present("paused", "user"), record: paused, power: "OffGraceful" }, "Resume"],
  [
    "also to restart",
    { seen: present("paused", "user"), record: paused, restartRequest: "a", done: done("Check") },
    "Resume",
  ],
  [
    "a paused VM is powered off as it is",
    { seen: present("paused", "user"), record: paused, power: "Off" },
    "ForceOff",
  ],
  [
    "a VM that shall be paused is started so",
    { seen: present("off"), record: { ...made, isPausedByUs: true }, power: "Paused", done: done("Check", "Define") },
    "Start",
  ],
  [
    "and that is recorded before",
    { seen: present("off"), power: "Paused", done: done("Check", "Define") },
    "RecordPause",
  ],
  ["a running VM is suspended", { seen: present("running"), record: running, power: "Suspended" }, "Suspend"],
  [
    "a save under way is waited for",
    { seen: present("paused", "save"), record: running, power: "Suspended" },
    "Suspending",
  ],
  ["a VM that was saved stays so", { seen: saved, power: "Suspended" }, "Suspended"],
  ["a VM without memory to save is just off", { seen: present("off"), power: "Suspended" }, "Stopped"],
  ["the memory is kept when the VM shall be off", { seen: saved, power: "Off" }, "Stopped"],
  [
    "a VM whose memory is saved is started in the machine that it was saved in",
    { seen: saved, record: { ...made, isDefineDue: true, applied: appliedFrom({ ...definition, cpus: 8 }, 1) } },
    "Start",
  ],
  [
    "its lease is kept",
    { seen: saved, record: { ...made, lastStop: { method: "Suspended", timeMs: 0, message: "" } } },
    "Start",
  ],
  ["memory is thrown away when asked", { seen: saved, requests: { discardMemory: "a" } }, "DiscardMemory"],
  [
    "and only once",
    { seen: saved, requests: { discardMemory: "a" }, record: { ...made, requestsDone: { discardMemory: "a" } } },
    "Start",
  ],
  ["a running VM is reset", { seen: present("running"), record: running, requests: { reset: "a" } }, "Reset"],
  ["a guest is asked to reboot", { seen: present("running"), record: running, requests: { reboot: "a" } }, "Reboot"],
  [
    "a paused guest is not",
    { seen: present("paused", "user"), record: paused, power: "Paused", requests: { reboot: "a" } },
    "PausedAsDeclared",
  ],
  ["a VM that is off is not reset", { seen: present("off"), requests: { reset: "a" } }, "RecordVoidRequest"],
  ["a guest on its way down is waited for", { seen: present("shutting-down"), record: running }, "GuestStopping"],
  ["a foreign domain is left alone", { seen: foreign }, "NameConflict"],
  ["could not look is no reason to do anything", { seen: unavailable, record: running }, "Unavailable"],
  ["delete pulls the plug", { isDeleting: true, seen: present("running"), record: running }, "ForceOff"],
  ["then undefines", { isDeleting: true, seen: present("off"), record: running }, "Undefine"],
  ["then removes volumes", { isDeleting: true }, "RemoveVolumes"],
  ["then releases leases", { isDeleting: true, done: done("RemoveVolumes") }, "ReleaseLeases"],
  ["then lets go", { isDeleting: true, done: done("RemoveVolumes", "ReleaseLeases") }, "RemoveFinalizer"],
  ["delete beside a foreign domain removes only our volumes", { isDeleting: true, seen: foreign }, "RemoveVolumes"],
  ["delete waits for a hypervisor out of reach", { isDeleting: true, seen: unavailable }, "DeleteUnavailable"],
  [
    "unless told to leave things behind",
    { isDeleting: true, seen: unavailable, isForcedDelete: true },
    "RemoveFinalizer",
  ],
  ["or nothing can be there", { isDeleting: true, seen: unavailable, record: { stops: 0 } }, "RemoveFinalizer"],
  ["a delete without finalizer is over", { isDeleting: true, hasFinalizer: false }, "Gone"],
];

describe("decide", () => {
  for (const [rule, change, expected] of rows) {
    test(rule, () => {
      const given = input(change);
      assert.equal(nameOf(decide(given)), expected);
    });
  }

  test("a delete whose Provider object has gone orphans nothing silently", () => {
    const { provider: _, ...rest } = input({ isDeleting: true, seen: unavailable });
    assert.equal(nameOf(decide(rest)), "DeleteBlocked");
    assert.equal(nameOf(decide({ ...rest, isForcedDelete: true })), "RemoveFinalizer");
    assert.equal(nameOf(decide({ ...rest, record: { stops: 0 } })), "RemoveFinalizer");
  });

  test("a Provider that cannot be told is a problem, not an outage", () => {
    const { provider: _, ...rest } = input({ seen: unavailable, definition: missing("ProviderNotFound") });
    assert.equal(nameOf(decide(rest)), "Blocked");
  });

  test("addresses are looked for often at first, more slowly later", () => {
    assert.deepEqual([0, 59_999, 120_000, 600_000].map(addressPollMs), [500, 500, 2_000, 5_000]);
  });
});

const powers: readonly PowerState[] = ["running", "paused", "shutting-down", "off", "crashed", "suspended"];
const allSteps = [
  "Check",
  "RecordPlacement",
  "EnsureRootDisk",
  "WriteSeed",
  "Define",
  "Start",
  "RemoveVolumes",
  "ReleaseLeases",
];
const anyTime = fc.option(fc.integer({ min: nowMs - 400_000, max: nowMs + 400_000 }), { nil: undefined });
const anyRequest = fc.constantFrom(undefined, "a", "b");

const anyRecord: fc.Arbitrary<VmRecord> = fc
  .record({
    base: fc.constantFrom<VmRecord>(
      { stops: 0 },
      made,
      { ...made, isDefineDue: true },
      { ...made, applied: appliedFrom({ ...definition, cpus: 8 }, 1) },
    ),
    runningSinceMs: anyTime,
    nextStartMs: anyTime,
    shutdownRequestedAtMs: anyTime,
    isPausedByUs: fc.constantFrom<(true | undefined)[]>(undefined, true),
    requestsDone: fc.constantFrom<VmRecord["requestsDone"][]>(undefined, { reset: "a", discardMemory: "a" }),
    lastRestartRequest: anyRequest,
    restartStoppedFor: anyRequest,
    bootRetry: fc.constantFrom<("wanted" | "done" | undefined)[]>(undefined, "wanted", "done"),
    powerCycle: fc.constantFrom<VmRecord["powerCycle"][]>(
      undefined,
      { for: "a", state: "asked" },
      { for: "a", state: "refused" },
      { for: "a", state: "done" },
    ),
  })
  .map(({ base, ...rest }) => ({ ...base, ...withoutUndefined(rest) }));

const anyInput: fc.Arbitrary<PlanInput> = fc
  .record({
    hasFinalizer: fc.boolean(),
    isDeleting: fc.boolean(),
    isForcedDelete: fc.boolean(),
    generation: fc.integer({ min: 1, max: 2 }),
    powerCyclePolicy: fc.constantFrom<PlanInput["powerCyclePolicy"][]>("Manual", "Graceful", "Force"),
    power: fc.constantFrom<PlanInput["power"][]>("On", "Off", "OffGraceful", "Paused", "Suspended"),
    requests: fc.constantFrom<PlanInput["requests"][]>({}, { reboot: "a" }, { reset: "a" }, { discardMemory: "a" }),
    restartRequest: anyRequest,
    record: anyRecord,
    expectsAddress: fc.boolean(),
    definition: fc.constantFrom<PlanInput["definition"][]>(
      input().definition,
      missing("ClassNotFound"),
      missing("InvalidSpec"),
    ),
    dataDisks: fc.constantFrom<PlanInput["dataDisks"][]>([], [data]),
    build: fc.constantFrom<PlanInput["build"][]>(input().build, missing("ImageNotReady"), missing("SecretNotFound")),
    seen: fc.oneof(
      fc.constantFrom<Seen[]>(absent, foreign, unavailable),
      fc
        .record({
          power: fc.constantFrom(...powers),
          reason: fc.constantFrom("shutdown", "destroyed", "crashed", "unknown", "save"),
          hasSavedMemory: fc.boolean(),
        })
        .map(({ power, reason, hasSavedMemory }) => ({
          ...present(power, reason),
          ...(power === "off" && hasSavedMemory ? { hasSavedMemory } : {}),
        })),
    ),
    addresses: fc.constantFrom<PlanInput["addresses"][]>([], [address]),
    shutdownAskedAtMs: anyTime,
    bootProbe: fc.constantFrom<("silent" | "alive" | undefined)[]>(undefined, "silent", "alive"),
    done: fc.subarray(allSteps).map((steps) => new Set(steps)),
  })
  .map((parts) => ({ ...input(), ...withoutUndefined(parts) }));

/** Absent and undefined are not the same thing in these types. */
function withoutUndefined<T extends object>(parts: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}

const making = new Set<Step["kind"]>([
  "Check",
  "RecordPlacement",
  "EnsureRootDisk",
  "EnsureDataDisk",
  "WriteSeed",
  "Define",
  "Start",
]);
const atDomain = new Set<Step["kind"]>(["Define", "Start", "RequestShutdown", "ForceOff", "Undefine"]);
const harmless = new Set<Step["kind"]>(["Settle", "AddFinalizer", "RemoveFinalizer"]);

function holds(rule: (given: PlanInput, step: Step) => boolean): void {
  fc.assert(
    fc.property(anyInput, (given) => rule(given, decide(given))),
    { numRuns: 2_000 },
  );
}

describe("whatever is declared, remembered and seen", () => {
  test("could not look leads to nothing at the hypervisor", () => {
    holds(({ seen }, { kind }) => seen.kind !== "unavailable" || harmless.has(kind));
  });
  test("a foreign domain is never touched, nor is anything made beside it", () => {
    holds(({ seen }, { kind }) => seen.kind !== "foreign" || (!atDomain.has(kind) && !making.has(kind)));
  });
  test("nothing is made for a VM that is being deleted, nothing removed of one that is not", () => {
    holds(({ isDeleting }, { kind }) =>
      isDeleting ? !making.has(kind) : !["Undefine", "RemoveVolumes", "RemoveFinalizer"].includes(kind),
    );
  });
  test("nothing is made without the finalizer", () => {
    holds(({ hasFinalizer }, { kind }) => hasFinalizer || harmless.has(kind));
  });
  test("only a domain that is there and off is started or undefined", () => {
    holds(
      ({ seen }, { kind }) =>
        (kind !== "Start" && kind !== "Undefine") || (seen.kind === "present" && seen.power === "off"),
    );
  });
  test("disks and seed are written only while the domain is absent; new data disks also while it is off", () => {
    holds(({ seen }, { kind }) => {
      if (kind === "EnsureRootDisk" || kind === "WriteSeed") return seen.kind === "absent";
      return kind !== "EnsureDataDisk" || seen.kind === "absent" || (seen.kind === "present" && seen.power === "off");
    });
  });
  test("the placement is on record before the first volume", () => {
    holds(({ record }, { kind }) => kind !== "EnsureRootDisk" || record.madeOn !== undefined);
  });
  test("a VM that shall be off is not started", () => {
    holds(({ power }, { kind }) => power === "On" || power === "Paused" || kind !== "Start");
  });
  test("saved memory is thrown away only when asked", () => {
    holds(({ requests }, { kind }) => requests.discardMemory !== undefined || kind !== "DiscardMemory");
  });
  test("a VM whose memory is saved is not defined anew", () => {
    holds(({ seen }, { kind }) => seen.kind !== "present" || seen.hasSavedMemory !== true || kind !== "Define");
  });
  test("only a pause of ours is ended", () => {
    holds(({ record }, { kind }) => record.isPausedByUs === true || kind !== "Resume");
  });
  test("a running VM that shall run is stopped only for a restart, a boot without any sign of life, or a power cycle that its policy allows", () => {
    holds(({ seen, power, isDeleting, restartRequest, record, addresses, powerCyclePolicy }, { kind }) => {
      if (seen.kind !== "present" || seen.power !== "running" || power !== "On" || isDeleting) return true;
      if (kind !== "ForceOff" && kind !== "RequestShutdown") return true;
      const isRestart = restartRequest !== undefined && restartRequest !== record.lastRestartRequest;
      const isCycle =
        record.powerCycle?.state === "asked" && (kind === "RequestShutdown" || powerCyclePolicy === "Force");
      return isRestart || isCycle || (record.bootRetry === "wanted" && addresses.length === 0);
    });
  });
  test("a guest is asked to shut down for a change only where something waits for that, and its policy allows it", () => {
    holds(({ powerCyclePolicy, definition: wanted, record, seen, power }, step) => {
      if (step.kind !== "RecordPowerCycle" || step.powerCycle.state !== "asked") return true;
      const isPending =
        wanted.ok && record.applied !== undefined && changedFields(record.applied, wanted.value).length > 0;
      return powerCyclePolicy !== "Manual" && power === "On" && seen.kind === "present" && isPending;
    });
  });
});
