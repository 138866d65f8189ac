// Pausing, suspending, rebooting and resetting, through the controller and over its death.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VmLab } from "../testing/vm-lab.ts";

const power = (lab: VmLab, state: string) => lab.patchVm("web", { spec: { powerState: state } });
const wish = (lab: VmLab, name: string, value: string) =>
  lab.patchVm("web", { metadata: { annotations: { [`vivarium.dev/${name}-requested-at`]: value } } });

describe("a VM that shall be paused", () => {
  test("is paused, stays so over a death of the server, and goes on", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await power(lab, "Paused");
    const paused = await lab.untilReason("web", "Paused");
    assert.deepEqual([paused.status?.phase, paused.status?.powerState], ["Paused", "Paused"]);
    assert.ok(paused.status?.startedAt);
    await lab.restart();
    await power(lab, "On");
    const ready = await lab.untilReady("web");
    assert.equal(ready.status?.startedAt, paused.status?.startedAt);
    assert.deepEqual([lab.callsOf("runState.pause"), lab.callsOf("runState.resume")], [1, 1]);
    assert.equal(lab.callsOf("compute.start"), 1);
  });

  test("is paused once, whenever the server dies", async (t) => {
    for (const step of ["RecordPause", "Pause"]) {
      for (const phase of ["start", "done"]) {
        const lab = await VmLab.start(t);
        await lab.createVm("web");
        await lab.untilReady("web");
        const died = Promise.withResolvers<void>();
        lab.onStep = (line) => {
          if (line.step !== step || line.phase !== phase) return;
          lab.onStep = () => undefined;
          lab.restart().then(died.resolve, died.reject);
        };
        await power(lab, "Paused");
        await lab.until("the server died", async () => lab.steps.some((line) => line.step === step));
        await died.promise;
        await lab.untilReason("web", "Paused");
        await power(lab, "On");
        await lab.untilReady("web");
        await lab.kill();
      }
    }
  });

  test("that is made so begins paused", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { powerState: "Paused" });
    await lab.untilReason("web", "Paused");
    assert.equal(lab.callsOf("runState.pause"), 0);
  });
});

describe("a VM that shall be suspended", () => {
  test("is off with its memory saved, also over a death of the server, and goes on from there", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    await lab.untilReady("web");
    await power(lab, "Suspended");
    const off = await lab.untilReason("web", "Suspended");
    assert.deepEqual(
      [off.status?.phase, off.status?.powerState, off.status?.lastStop?.method],
      ["Suspended", "Suspended", "Suspended"],
    );
    await lab.restart();
    await power(lab, "On");
    await lab.untilReady("web");
    assert.equal(lab.sim.world.domains.get(metadata.uid ?? "")?.boots, 1);
    assert.equal(lab.callsOf("addresses.release"), 0);
  });

  test("keeps its memory when it shall be off, and boots when that is thrown away", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    await lab.untilReady("web");
    await power(lab, "Suspended");
    await lab.untilReason("web", "Suspended");
    await power(lab, "Off");
    const off = await lab.untilReason("web", "Stopped");
    assert.match(off.status?.message ?? "", /memory is saved/);
    assert.equal(off.status?.powerState, "Off");
    await wish(lab, "discard-memory", "now");
    await lab.untilVm("web", "has no memory", (vm) => vm.status?.lastDiscardMemoryRequest === "now");
    await power(lab, "On");
    await lab.untilReady("web");
    assert.equal(lab.sim.world.domains.get(metadata.uid ?? "")?.boots, 2);
  });

  test("is deleted with its memory", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await power(lab, "Suspended");
    await lab.untilReason("web", "Suspended");
    await lab.deleteVm("web");
    await lab.untilGone("web");
    assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
  });

  test("that somebody else saved is started again from there", async (t) => {
    const lab = await VmLab.start(t);
    const { metadata } = await lab.createVm("web");
    await lab.untilReady("web");
    await lab.sim.open().runState?.suspend({ uid: metadata.uid ?? "", namespace: "default", name: "web" });
    await lab.untilVm("web", "was stopped", (vm) => vm.status?.lastStop?.method === "External");
    await lab.untilReady("web");
    assert.equal(lab.sim.world.domains.get(metadata.uid ?? "")?.boots, 1);
  });
});

describe("requests", () => {
  test("a reset and a reboot are carried out once for each value", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web");
    await lab.untilReady("web");
    await wish(lab, "reset", "1");
    await lab.untilVm("web", "was reset", (vm) => vm.status?.lastResetRequest === "1");
    await wish(lab, "reboot", "1");
    await lab.untilVm("web", "was asked", (vm) => vm.status?.lastRebootRequest === "1");
    await lab.restart();
    await lab.clock.advance(60_000);
    assert.deepEqual([lab.callsOf("runState.reset"), lab.callsOf("runState.requestReboot")], [1, 1]);
    await wish(lab, "reset", "2");
    await lab.untilVm("web", "was reset again", (vm) => vm.status?.lastResetRequest === "2");
    assert.equal(lab.callsOf("runState.reset"), 2);
  });

  test("a reset of a VM that is off is void, and not made up for at the next start", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { powerState: "Off" });
    await lab.untilReason("web", "Stopped");
    await wish(lab, "reset", "1");
    await lab.untilVm("web", "said so", (vm) => vm.status?.lastResetRequest === "1");
    await power(lab, "On");
    await lab.untilReady("web");
    assert.equal(lab.callsOf("runState.reset"), 0);
  });
});
