// Sizes that change while a VM runs, through the controller.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findCondition, VMClass } from "@vivarium/api";
import type { VirtualMachine, VMClassSpec } from "@vivarium/api";
import { VmLab } from "../testing/vm-lab.ts";

const key = { namespace: "default", name: "small" };
const hot = { performanceProfile: { cpuHotAddEnabled: true, memoryHotAddEnabled: true } };

async function lab(t: Parameters<typeof VmLab.start>[0], spec: Partial<VMClassSpec> = hot): Promise<VmLab> {
  const started = await VmLab.start(t);
  await started.client.mergePatch(VMClass, key, { spec: { cpu: 1, memory: "512Mi", ...spec } });
  await started.createVm("web");
  await started.untilReady("web");
  return started;
}

const size = (vm: VirtualMachine) => [vm.status?.currentResources?.cpu, vm.status?.currentResources?.memoryMiB];
const resize = (given: VmLab, resources: object) => given.patchVm("web", { spec: { resources } });
const pending = (vm: VirtualMachine) => findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle");

describe("a VM that can grow", () => {
  test("gets CPUs and memory while it runs, and gives memory back", async (t) => {
    const given = await lab(t);
    await resize(given, { cpu: 3, memoryMiB: 1024 });
    const grown = await given.untilVm("web", "has grown", (vm) => size(vm).join() === "3,1024");
    assert.equal(pending(grown)?.status, "False");
    await resize(given, { cpu: 3, memoryMiB: 256 });
    await given.untilVm("web", "gave memory back", (vm) => size(vm).join() === "3,256");
    await given.restart();
    await given.clock.advance(120_000);
    assert.deepEqual(
      ["addCpus", "setMemory"].map((call) => given.callsOf(`sizing.${call}`)),
      [1, 2],
    );
    assert.equal(given.callsOf("compute.start"), 1);
  });

  test("keeps its CPUs while it runs, and says why", async (t) => {
    const given = await lab(t);
    await resize(given, { cpu: 2 });
    await given.untilVm("web", "has grown", (vm) => size(vm)[0] === 2);
    await resize(given, { cpu: 1 });
    const vm = await given.untilVm("web", "waits", (found) => pending(found)?.status === "True");
    assert.match(pending(vm)?.message ?? "", /no CPU is taken from a running guest/);
    assert.deepEqual(size(vm)[0], 2);
  });

  test("waits for a power cycle where it was not started with so much room", async (t) => {
    const given = await lab(t);
    await resize(given, { cpu: 8, memoryMiB: 4096 });
    const vm = await given.untilVm("web", "waits", (found) => pending(found)?.status === "True");
    assert.match(pending(vm)?.message ?? "", /cpu \(started with room for 4\), memory \(started with room for 2 GiB\)/);
    await given.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    await given.untilVm("web", "has grown", (found) => size(found).join() === "8,4096");
  });

  test("whose guest does not follow says so, and is asked again once a minute", async (t) => {
    const given = await lab(t);
    given.sim.guest.balloon = "ignores";
    await resize(given, { memoryMiB: 1024 });
    const moving = (reason: string) =>
      given.untilVm("web", reason, (vm) => findCondition(vm.status?.conditions, "Reconfiguring")?.reason === reason);
    await moving("MovingMemory");
    const late = await moving("GuestNotFollowing");
    assert.equal(findCondition(late.status?.conditions, "Ready")?.status, "True");
    assert.deepEqual(size(late)[1], 512);
    given.sim.guest.balloon = "obeys";
    await given.untilVm("web", "followed", (vm) => size(vm)[1] === 1024);
    await moving("Idle");
  });
});

test("a VM that cannot grow waits for a power cycle", async (t) => {
  const given = await lab(t, {});
  await resize(given, { cpu: 2 });
  const vm = await given.untilVm("web", "waits", (found) => pending(found)?.status === "True");
  assert.match(pending(vm)?.message ?? "", /: cpu \(its class does not enable .*\)\. Applied/);
  assert.equal(given.callsOf("sizing.addCpus"), 0);
});

test("limits of a running VM follow its class; one that fails leaves the VM Ready", async (t) => {
  const given = await lab(t);
  const limits = { cpuShares: 512, cpuLimit: 1000, memoryLimit: "2Gi" };
  const reconfiguring = (vm: VirtualMachine) => findCondition(vm.status?.conditions, "Reconfiguring");
  given.sim.fail("sizing.setLimits", { code: "Unsupported", message: "no cgroups here" });
  await given.client.mergePatch(VMClass, key, { spec: { resourceLimits: limits } });
  const failed = await given.untilVm("web", "says so", (vm) => reconfiguring(vm)?.reason === "Unsupported");
  assert.match(reconfiguring(failed)?.message ?? "", /no cgroups here/);
  assert.equal(findCondition(failed.status?.conditions, "Ready")?.status, "True");
  await given.untilVm("web", "is limited", (vm) => reconfiguring(vm)?.reason === "Idle", 600_000);
  const domain = [...given.sim.world.domains.values()][0];
  assert.deepEqual(domain?.definition?.limits, { cpuShares: 512, cpuMhz: 1000, memoryBytes: 2 * 2 ** 30 });
  await given.client.mergePatch(VMClass, key, { spec: { resourceLimits: null } });
  const left = await given.untilVm("web", "keeps its shares", (vm) => pending(vm)?.status === "True");
  assert.match(pending(left)?.message ?? "", /cpuShares/);
});

test("a start with the host is set while the VM runs, and taken back when it shall be off", async (t) => {
  const given = await lab(t);
  const domain = () => [...given.sim.world.domains.values()][0]?.definition?.startsOnBoot;
  await given.patchVm("web", { spec: { startOnBoot: true } });
  await given.until("it starts with the host", async () => domain() === true);
  await given.patchVm("web", { spec: { powerState: "Off" } });
  await given.until("it does not", async () => domain() !== true);
  await given.untilReason("web", "Stopped");
});

describe("a guest whose kernel panicked", () => {
  const crash = (given: VmLab) => {
    const domain = [...given.sim.world.domains.values()][0];
    assert.ok(domain);
    given.sim.world.setPower(domain, { power: "crashed", reason: "panicked", change: "crashed" });
  };

  test("is kept for a look where that is declared, until a restart is asked for", async (t) => {
    const given = await VmLab.start(t);
    await given.createVm("web", { lifecycle: { crashPolicy: "Preserve" } });
    await given.untilReady("web");
    crash(given);
    const kept = await given.untilReason("web", "Crashed");
    assert.deepEqual([kept.status?.phase, kept.status?.lastStop?.method], ["Failed", "Crashed"]);
    await given.clock.advance(600_000);
    assert.equal(given.callsOf("compute.start"), 1);
    await given.patchVm("web", { metadata: { annotations: { "vivarium.dev/restart-requested-at": "now" } } });
    await given.untilReady("web");
    assert.equal(given.callsOf("compute.start"), 2);
  });

  test("is given time to begin anew by itself, and is started again otherwise", async (t) => {
    const given = await VmLab.start(t);
    await given.createVm("web", { lifecycle: { crashPolicy: "Restart" } });
    await given.untilReady("web");
    crash(given);
    await given.untilReason("web", "StoppedUnexpectedly");
    assert.equal(given.callsOf("compute.forceOff"), 0);
    await given.untilReady("web");
    assert.equal(given.callsOf("compute.forceOff"), 1);
  });
});
