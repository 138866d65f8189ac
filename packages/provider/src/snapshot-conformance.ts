// What every provider with snapshots promises: that part of the conformance suite.

import assert from "node:assert/strict";
import { build, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { VmIdentity } from "./provider.ts";
import type { SnapshotRequest, SnapshotRole } from "./snapshots.ts";

interface Snapshots extends ConformanceSubject {
  readonly snapshots: SnapshotRole;
}

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function snapshotRules(rule: Rule): void {
  /** Skipped where the provider has no snapshots. */
  const snapshotRule = (title: string, run: (subject: Snapshots, vm: VmIdentity) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { snapshots } = subject.provider;
      if (snapshots !== undefined) await run({ ...subject, snapshots }, subject.newVm());
    });

  snapshotRule("a VM that does not exist has no snapshots, and none can be taken", async ({ snapshots, newVm }, vm) => {
    const request = requestFor(newVm);
    assert.deepEqual(await snapshots.list(vm), []);
    await snapshots.remove(vm, request.uid);
    await rejects(snapshots.create(vm, request), "NotFound");
    await rejects(snapshots.revert(vm, { uid: request.uid, requestId: "1" }), "NotFound");
  });

  snapshotRule("a foreign domain is not snapshotted", async ({ snapshots, newVm, makeForeign }, vm) => {
    await makeForeign(vm);
    await rejects(snapshots.create(vm, requestFor(newVm)), "Conflict");
    await rejects(snapshots.revert(vm, { uid: newVm().uid, requestId: "1" }), "Conflict");
  });

  snapshotRule("a snapshot is taken once, however often it is asked for", async (subject, vm) => {
    const { provider, snapshots, newVm } = subject;
    await build(subject, vm);
    const request = requestFor(newVm);
    await snapshots.create(vm, request);
    const first = await snapshots.list(vm);
    assert.equal(first.length, 1);
    const [taken] = first;
    assert.ok(taken);
    assert.deepEqual([taken.uid, taken.name, taken.isCurrent], [request.uid, request.name, true]);
    assert.deepEqual([taken.disks, taken.consistency, taken.hasMemory], [["root"], "off", false]);
    assert.equal(taken.parent, undefined);
    await snapshots.create(vm, request);
    assert.deepEqual(await snapshots.list(vm), first);
    await dismantle(provider, vm);
    assert.deepEqual(await snapshots.list(vm), []);
    assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
  });

  snapshotRule("snapshots form a tree, and one in its middle can go", async (subject, vm) => {
    const { provider, snapshots, newVm } = subject;
    await build(subject, vm);
    const [a, b, c, d] = [requestFor(newVm), requestFor(newVm), requestFor(newVm), requestFor(newVm)];
    await snapshots.create(vm, a);
    await snapshots.create(vm, b);
    await snapshots.create(vm, c);
    await rejects(snapshots.revert(vm, { uid: newVm().uid, requestId: "0" }), "NotFound");
    await snapshots.revert(vm, { uid: b.uid, requestId: "1" });
    assert.deepEqual(await currentIn(snapshots, vm), [b.uid]);
    await snapshots.create(vm, d);
    assert.deepEqual(await parentsIn(snapshots, vm), { [a.uid]: "", [b.uid]: a.uid, [c.uid]: b.uid, [d.uid]: b.uid });
    await snapshots.remove(vm, b.uid);
    await snapshots.remove(vm, b.uid);
    assert.deepEqual(await parentsIn(snapshots, vm), { [a.uid]: "", [c.uid]: a.uid, [d.uid]: a.uid });
    assert.deepEqual(await currentIn(snapshots, vm), [d.uid]);
    await snapshots.remove(vm, d.uid);
    assert.deepEqual(await currentIn(snapshots, vm), [a.uid]);
    await snapshots.revert(vm, { uid: c.uid, requestId: "2" });
    assert.deepEqual(await currentIn(snapshots, vm), [c.uid]);
    await snapshots.remove(vm, a.uid);
    await snapshots.remove(vm, c.uid);
    assert.deepEqual(await snapshots.list(vm), []);
    await provider.compute.start(vm);
    await dismantle(provider, vm);
  });

  snapshotRule("a revert pulls the plug, and a repeat of it takes nothing back", async (subject, vm) => {
    const { provider, snapshots, newVm } = subject;
    await build(subject, vm);
    const request = requestFor(newVm);
    await snapshots.create(vm, request);
    await provider.compute.start(vm);
    await snapshots.revert(vm, { uid: request.uid, requestId: "1" });
    const off = await provider.compute.observe(vm);
    assert.equal(off.kind === "present" && off.power, "off");
    await provider.compute.start(vm);
    await snapshots.revert(vm, { uid: request.uid, requestId: "1" });
    const on = await provider.compute.observe(vm);
    assert.equal(on.kind === "present" && on.power, "running");
    await dismantle(provider, vm);
  });

  snapshotRule("a VM that runs is snapshotted, with memory and without, and runs on", async (subject, vm) => {
    const { provider, snapshots, newVm } = subject;
    await build(subject, vm);
    await provider.compute.start(vm);
    const quiesced = { ...requestFor(newVm), quiesce: "required" } as const;
    await rejects(snapshots.create(vm, quiesced), "Conflict");
    const disks = requestFor(newVm);
    const whole = { ...requestFor(newVm), memory: true };
    await snapshots.create(vm, disks);
    await snapshots.create(vm, whole);
    const seen = await provider.compute.observe(vm);
    assert.equal(seen.kind === "present" && seen.power, "running");
    const listed = await snapshots.list(vm);
    assert.deepEqual(
      listed.map(({ uid, consistency, hasMemory }) => [uid, consistency, hasMemory]),
      [
        [disks.uid, "crash", false],
        [whole.uid, "memory", true],
      ],
    );
    await snapshots.remove(vm, disks.uid);
    await provider.compute.forceOff(vm);
    await snapshots.revert(vm, { uid: whole.uid, requestId: "1" });
    const restored = await provider.compute.observe(vm);
    assert.equal(restored.kind === "present" && restored.power, "running");
    await snapshots.remove(vm, whole.uid);
    assert.deepEqual(await snapshots.list(vm), []);
    await dismantle(provider, vm);
    assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
  });
}

function requestFor(newVm: ConformanceSubject["newVm"]): SnapshotRequest {
  const { uid, name } = newVm();
  return { uid, name, memory: false, quiesce: "if-possible" };
}

async function currentIn(snapshots: SnapshotRole, vm: VmIdentity): Promise<readonly string[]> {
  return (await snapshots.list(vm)).filter(({ isCurrent }) => isCurrent).map(({ uid }) => uid);
}

async function parentsIn(snapshots: SnapshotRole, vm: VmIdentity): Promise<Readonly<Record<string, string>>> {
  return Object.fromEntries((await snapshots.list(vm)).map(({ uid, parent }) => [uid, parent ?? ""]));
}
