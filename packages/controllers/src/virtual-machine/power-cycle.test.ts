// Power cycles for what only they change, through the controller.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Event, findCondition } from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { VmLab } from "../testing/vm-lab.ts";

type Lifecycle = NonNullable<VirtualMachine["spec"]["lifecycle"]>;

async function lab(t: Parameters<typeof VmLab.start>[0], lifecycle: Lifecycle): Promise<VmLab> {
  const started = await VmLab.start(t);
  await started.createVm("web", { lifecycle });
  await started.untilReady("web");
  return started;
}

const pending = (vm: VirtualMachine) => findCondition(vm.status?.conditions, "ReconfigurePendingPowerCycle");
const toFourCpus = (given: VmLab) => given.patchVm("web", { spec: { resources: { cpu: 4, memoryMiB: 2048 } } });

test("with Graceful the guest is shut down, the domain defined anew and started, and it is told when", async (t) => {
  const given = await lab(t, { reconfigurePolicy: "Graceful" });
  given.sim.guest.shutdownMs = 5_000;
  await toFourCpus(given);
  const asked = await given.untilVm("web", "is asked", (vm) => vm.status?.shutdownRequestedAt !== undefined);
  assert.equal(pending(asked)?.status, "True");
  assert.match(pending(asked)?.message ?? "", /cpu \(.*\), memory \(.*\)\. The guest was asked to shut down for it/);
  assert.equal(findCondition(asked.status?.conditions, "Reconfiguring")?.reason, "PowerCycle");
  const done = await given.untilVm("web", "has it", (vm) => vm.status?.currentResources?.cpu === 4);
  await given.untilReady("web");
  assert.equal(pending(done)?.status, "False");
  assert.equal(done.status?.lastStop?.method, "Graceful");
  assert.ok(done.status?.lastReconfigureTime !== undefined);
  assert.equal(given.callsOf("compute.forceOff"), 0);
  const reasons = (await given.client.list(Event, { namespace: "default" })).items.map(({ reason }) => reason);
  for (const reason of ["ReconfigurePowerCycle", "ReconfigureStarted", "Reconfigured"]) {
    assert.ok(reasons.includes(reason), `${reason} in ${reasons.join()}`);
  }
});

test("a guest that does not follow is left running with Graceful, and asked once", async (t) => {
  const given = await lab(t, { reconfigurePolicy: "Graceful", gracefulShutdownTimeout: "30s" });
  given.sim.guest.shutdown = "ignores";
  await toFourCpus(given);
  const left = await given.untilVm("web", "is left", (vm) => /did not within/.test(pending(vm)?.message ?? ""));
  assert.match(pending(left)?.message ?? "", /set spec\.lifecycle\.reconfigurePolicy to Force/);
  await given.untilReady("web");
  const asked = given.callsOf("compute.requestShutdown");
  await given.restart();
  await given.clock.advance(600_000);
  assert.equal(given.callsOf("compute.requestShutdown"), asked);
  assert.equal(given.callsOf("compute.forceOff"), 0);
  await given.patchVm("web", { spec: { lifecycle: { reconfigurePolicy: "Force" } } });
  const forced = await given.untilVm("web", "has it", (vm) => vm.status?.currentResources?.cpu === 4);
  assert.equal(forced.status?.lastStop?.method, "Forced");
});

test("with Manual, and where the change can be made while it runs, nobody is shut down", async (t) => {
  const given = await lab(t, { reconfigurePolicy: "Manual" });
  await toFourCpus(given);
  await given.untilVm("web", "waits", (vm) => pending(vm)?.status === "True");
  await given.clock.advance(600_000);
  const hot = await lab(t, { reconfigurePolicy: "Force" });
  await hot.patchVm("web", { spec: { disks: [{ name: "data", sizeGiB: 1 }] } });
  await hot.untilVm("web", "has the disk", (vm) => vm.status?.disks?.some(({ name }) => name === "data") === true);
  await hot.clock.advance(600_000);
  for (const each of [given, hot]) assert.equal(each.callsOf("compute.requestShutdown"), 0);
});

test("a server that is killed in the middle of a power cycle goes on with it", async (t) => {
  for (const step of ["RecordPowerCycle", "RequestShutdown", "RecordStop", "RecordPlacement", "Define"]) {
    const given = await lab(t, { reconfigurePolicy: "Graceful" });
    given.sim.guest.shutdownMs = 1_000;
    let killed: Promise<void> | undefined;
    given.onStep = (line) => {
      if (line.step === step && line.phase === "start") killed ??= given.kill();
    };
    await toFourCpus(given);
    await given.until("it is killed", async () => killed !== undefined);
    await killed;
    given.boot();
    await given.untilVm(
      "web",
      "has it",
      (vm) => vm.status?.currentResources?.cpu === 4 && vm.status.phase === "Running",
    );
    assert.equal(given.callsOf("compute.forceOff"), 0, step);
  }
});

test("a disk whose expandPolicy is Offline grows by a power cycle; one that is Online grows without", async (t) => {
  const given = await VmLab.start(t);
  const disks = (sizeGiB: number, expandPolicy: "Online" | "Offline") => [{ name: "data", sizeGiB, expandPolicy }];
  await given.createVm("web", { disks: disks(1, "Online"), lifecycle: { reconfigurePolicy: "Graceful" } });
  await given.untilReady("web");
  await given.patchVm("web", { spec: { disks: disks(2, "Online") } });
  await given.until("it grows", async () => given.callsOf("hotplug.growDisk") === 1);
  assert.equal(given.callsOf("compute.requestShutdown"), 0);
  given.sim.guest.shutdownMs = 5_000;
  await given.patchVm("web", { spec: { disks: disks(3, "Offline") } });
  const waits = await given.untilVm("web", "waits", (vm) => pending(vm)?.status === "True");
  assert.match(pending(waits)?.message ?? "", /disk data \(grows to 3 GiB: its expandPolicy is Offline\)/);
  await given.until("it grows when it is off", async () => given.callsOf("hotplug.growDisk") === 2);
  await given.untilReady("web");
  await given.patchVm("web", { spec: { disks: disks(4, "Offline") } });
  await given.until("it grows once more", async () => given.callsOf("hotplug.growDisk") === 3);
  await given.untilReady("web");
  await given.patchVm("web", { spec: { disks: disks(1, "Online") } });
  const refused = await given.untilVm(
    "web",
    "refuses",
    (vm) => findCondition(vm.status?.conditions, "DisksAttached")?.reason === "ShrinkRefused",
  );
  assert.match(findCondition(refused.status?.conditions, "DisksAttached")?.message ?? "", /do not shrink/);
});
