// Crashes and faults at every point: afterwards there is exactly one of everything, and after a delete, nothing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { VirtualMachineSpec } from "@vivarium/api";
import type { SimulatedMethod } from "@vivarium/provider";
import * as fc from "fast-check";
import { readyOf, VmLab } from "../testing/vm-lab.ts";

const createSteps = [
  "AddFinalizer",
  "RecordPlacement",
  "Check",
  "EnsureRootDisk",
  "EnsureDataDisk",
  "WriteSeed",
  "Define",
  "Start",
];
const deleteSteps = ["ForceOff", "Undefine", "RemoveVolumes", "ReleaseLeases", "RemoveFinalizer"];
const spec: Partial<VirtualMachineSpec> = { disks: [{ name: "data", sizeGiB: 1 }] };

function assertExactlyOne(lab: VmLab): void {
  const { domains, volumes } = lab.inventory();
  assert.deepEqual(domains, ["web"]);
  assert.equal(volumes.length, 3, volumes.join(", "));
}

function assertNothing(lab: VmLab): void {
  assert.deepEqual(lab.inventory(), { domains: [], volumes: [] });
  assert.equal(lab.sim.world.addresses.size, 0);
}

/** Kills at the next line of this step, as far as one process can: nothing that runs after it finds a controller. */
async function killAt(lab: VmLab, step: string, phase: string): Promise<void> {
  await new Promise<void>((resolve) => {
    lab.onStep = (line) => {
      if (line.step !== step || line.phase !== phase) return;
      lab.onStep = () => undefined;
      void lab.kill().then(resolve);
    };
    void lab.clock.advance(10_000);
  });
}

describe("a server killed", () => {
  for (const step of createSteps) {
    for (const phase of ["start", "done"]) {
      test(`at ${step} ${phase} of a create: one of everything`, async (t) => {
        const lab = await VmLab.start(t);
        const killed = killAt(lab, step, phase);
        await lab.createVm("web", spec);
        await killed;
        lab.boot();
        await lab.untilReady("web");
        assertExactlyOne(lab);
        await lab.deleteVm("web");
        await lab.untilGone("web");
        assertNothing(lab);
      });
    }
  }

  for (const step of deleteSteps) {
    for (const phase of ["start", "done"]) {
      test(`at ${step} ${phase} of a delete: nothing is left`, async (t) => {
        const lab = await VmLab.start(t);
        await lab.createVm("web", spec);
        await lab.untilReady("web");
        const killed = killAt(lab, step, phase);
        await lab.deleteVm("web");
        await killed;
        lab.boot();
        await lab.untilGone("web");
        assertNothing(lab);
      });
    }
  }
});

const createMethods: readonly SimulatedMethod[] = [
  "compute.observe",
  "compute.check",
  "disks.ensureRoot",
  "disks.ensureData",
  "disks.writeSeed",
  "compute.define",
  "compute.start",
  "addresses.lookup",
];
const deleteMethods: readonly SimulatedMethod[] = [
  "compute.observe",
  "compute.forceOff",
  "compute.undefine",
  "disks.remove",
  "addresses.release",
];

describe("a call", () => {
  for (const method of createMethods) {
    test(`${method} that fails, loses its answer or hangs delays a create and doubles nothing`, async (t) => {
      const lab = await VmLab.start(t);
      lab.sim.fail(method, { times: 2 });
      lab.sim.loseAnswer(method, { code: "Timeout" });
      lab.sim.hang(method);
      await lab.createVm("web", spec);
      await lab.until(
        "it is Ready",
        async () => {
          const vm = await lab.vm("web");
          return vm !== undefined && readyOf(vm)?.status === "True";
        },
        900_000,
      );
      assertExactlyOne(lab);
    });
  }

  for (const method of deleteMethods) {
    test(`${method} that fails, loses its answer or hangs delays a delete and leaves nothing`, async (t) => {
      const lab = await VmLab.start(t);
      await lab.createVm("web", spec);
      await lab.untilReady("web");
      lab.sim.fail(method, { times: 2 });
      lab.sim.loseAnswer(method, { code: "Timeout" });
      lab.sim.hang(method);
      await lab.deleteVm("web");
      await lab.until("it is gone", async () => (await lab.vm("web")) === undefined, 900_000);
      assertNothing(lab);
    });
  }

  test("that fails says why and when it is tried again", async (t) => {
    const lab = await VmLab.start(t);
    lab.sim.fail("compute.define", { times: 5, code: "Internal", message: "disk on fire" });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "ProviderError");
    assert.match(vm.status?.message ?? "", /disk on fire/);
    assert.equal(vm.status?.phase, "Provisioning");
    assert.ok(vm.status?.nextAttemptTime !== undefined);
    await lab.untilReady("web");
    const calls = lab.sim.calls.filter((call) => call.method === "compute.define").length;
    assert.equal(calls, 6);
    assert.equal((await lab.vm("web"))?.status?.failures, undefined);
  });

  test("that cannot succeed is Failed until the spec changes", async (t) => {
    const lab = await VmLab.start(t);
    lab.sim.fail("compute.define", { times: 1, code: "InvalidSpec", message: "no such machine" });
    await lab.createVm("web");
    const vm = await lab.untilReason("web", "InvalidSpec");
    assert.equal(vm.status?.phase, "Failed");
    await lab.clock.advance(60_000);
    assert.equal(lab.callsOf("compute.define"), 0);
    await lab.patchVm("web", { spec: { tags: ["new"] } });
    await lab.untilReady("web");
  });
});

type Happening =
  | { readonly kind: "kill"; readonly afterSteps: number }
  | { readonly kind: "fault"; readonly method: SimulatedMethod; readonly effect: "fail" | "loseAnswer" }
  | { readonly kind: "stop"; readonly reason: "destroyed" | "shutdown" | "crashed" }
  | { readonly kind: "power"; readonly to: "On" | "Off" | "OffGraceful" }
  | { readonly kind: "resize"; readonly cpu: number }
  | { readonly kind: "restart" }
  | { readonly kind: "disconnect"; readonly forMs: number }
  | { readonly kind: "wait"; readonly ms: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ kind: fc.constant("kill" as const), afterSteps: fc.integer({ min: 0, max: 6 }) }),
  fc.record({
    kind: fc.constant("fault" as const),
    method: fc.constantFrom(...createMethods, ...deleteMethods),
    effect: fc.constantFrom("fail" as const, "loseAnswer" as const),
  }),
  fc.record({
    kind: fc.constant("stop" as const),
    reason: fc.constantFrom("destroyed" as const, "shutdown" as const, "crashed" as const),
  }),
  fc.record({
    kind: fc.constant("power" as const),
    to: fc.constantFrom("On" as const, "Off" as const, "OffGraceful" as const),
  }),
  fc.record({ kind: fc.constant("resize" as const), cpu: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("restart" as const) }),
  fc.record({ kind: fc.constant("disconnect" as const), forMs: fc.integer({ min: 0, max: 20_000 }) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 20_000 }) }),
);

test("whatever happens in whatever order, there is one VM as declared in the end, and none after a delete", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 12 }), async (happenings) => {
      const lab = await VmLab.start(t, { guest: { shutdownMs: 2_000, leaseMs: 1_000 } });
      const foreign = "22222222-2222-4222-8222-222222222222";
      lab.sim.addForeignDomain({ name: "theirs", uid: foreign });
      const { metadata } = await lab.createVm("web", spec);
      const uid = metadata.uid ?? "";
      let request = 0;
      let wanted = { power: "On", cpu: 2 };
      for (const each of happenings) {
        switch (each.kind) {
          case "kill": {
            let left = each.afterSteps;
            lab.onStep = () => {
              if (left-- === 0) void lab.kill();
            };
            await lab.clock.advance(1_000);
            lab.onStep = () => undefined;
            await lab.restart();
            break;
          }
          case "fault":
            lab.sim[each.effect](each.method, { code: each.effect === "fail" ? "Unavailable" : "Timeout" });
            break;
          case "stop":
            if (lab.sim.world.domains.has(uid)) lab.sim.stopFromOutside(uid, each.reason);
            break;
          case "power":
            wanted = { ...wanted, power: each.to };
            await lab.patchVm("web", { spec: { powerState: each.to } });
            break;
          case "resize":
            wanted = { ...wanted, cpu: each.cpu };
            await lab.patchVm("web", { spec: { resources: { cpu: each.cpu } } });
            break;
          case "restart":
            request += 1;
            await lab.patchVm("web", {
              metadata: { annotations: { "vivarium.dev/restart-requested-at": String(request) } },
            });
            break;
          case "disconnect":
            lab.sim.disconnect();
            await lab.clock.advance(each.forMs);
            lab.sim.reconnect();
            break;
          case "wait":
            await lab.clock.advance(each.ms);
        }
      }
      lab.sim.clearFaults();
      await lab.until(
        "it is as declared",
        async () => {
          const vm = await lab.vm("web");
          if (vm?.status === undefined || vm.status.observedGeneration !== vm.metadata.generation) return false;
          // Not yet noticed is not yet over.
          if ((lab.sim.world.domains.get(uid)?.power === "running") !== (wanted.power === "On")) return false;
          return wanted.power === "On" ? readyOf(vm)?.status === "True" : readyOf(vm)?.reason === "Stopped";
        },
        900_000,
      );
      assertExactlyOne(lab);
      const domain = lab.sim.world.domains.get(uid);
      if (wanted.power !== "On") assert.equal(domain?.definition?.cpus, wanted.cpu);
      assertOrder(lab);
      await lab.deleteVm("web");
      await lab.untilGone("web");
      assertNothing(lab);
      assert.equal(lab.sim.world.domains.get(foreign)?.power, "running");
      await lab.kill();
    }),
    { numRuns: Number(process.env["FC_RUNS"] ?? 30) },
  );
});

/** No Start before a Define, no Define before disk and seed, whichever process did them. */
function assertOrder(lab: VmLab): void {
  const made = new Set<string>();
  for (const { method, outcome } of lab.sim.calls) {
    if (outcome === "failed" || outcome === "pending") continue;
    made.add(method);
    if (method === "compute.start") assert.ok(made.has("compute.define"));
    if (method === "compute.define") assert.ok(made.has("disks.ensureRoot") && made.has("disks.writeSeed"));
  }
}
