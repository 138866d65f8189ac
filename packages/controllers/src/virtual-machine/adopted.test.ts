import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { VirtualMachine } from "@vivarium/api";
import type { VirtualMachineSpec } from "@vivarium/api";
import { api, readyOf, VmLab } from "../testing/vm-lab.ts";

type Adopt = NonNullable<VirtualMachineSpec["adopt"]>;

async function start(t: Parameters<typeof VmLab.start>[0]) {
  const lab = await VmLab.start(t);
  const uuid = randomUUID();
  lab.sim.addForeignDomain({ name: "old", uid: uuid });
  const adopt = (name: string, more: Partial<Adopt> = {}) =>
    lab.client.create(VirtualMachine, {
      apiVersion: api,
      kind: "VirtualMachine",
      metadata: { name, namespace: "default" },
      spec: { adopt: { uuid, ...more } },
    });
  const domain = () => {
    const found = lab.sim.world.domains.get(uuid);
    assert.ok(found !== undefined, "the domain is gone");
    return found;
  };
  return { lab, uuid, adopt, domain };
}

test("an adopted domain is marked, watched and goes on running; nothing is made or defined", async (t) => {
  const { lab, uuid, adopt, domain } = await start(t);
  await adopt("web");
  const vm = await lab.untilReady("web");
  assert.equal(vm.status?.id, uuid);
  assert.equal(vm.status?.domain, "old");
  assert.equal(vm.status?.powerState, "On");
  assert.equal(domain().adoptedBy?.uid, vm.metadata.uid);
  assert.equal(domain().boots, 1);
  for (const method of ["compute.define", "disks.ensureRoot", "disks.writeSeed", "compute.undefine"]) {
    assert.equal(lab.callsOf(method), 0, method);
  }
});

test("it is powered as declared, and started again when it stops by itself", async (t) => {
  const { lab, adopt, domain } = await start(t);
  await adopt("web");
  await lab.untilReady("web");
  await lab.patchVm("web", { spec: { powerState: "OffGraceful" } });
  await lab.untilReason("web", "Stopped");
  assert.equal(domain().power, "off");
  await lab.patchVm("web", { spec: { powerState: "On" } });
  await lab.untilReady("web");
  const { boots } = domain();
  lab.sim.stopFromOutside(domain().uid, "shutdown");
  await lab.until("it runs again", async () => domain().boots > boots && domain().power === "running");
});

test("deleting the object lets go of the domain, which stays as it is", async (t) => {
  const { lab, adopt, domain } = await start(t);
  await adopt("web");
  await lab.untilReady("web");
  await lab.deleteVm("web");
  await lab.untilGone("web");
  assert.equal(domain().adoptedBy, undefined);
  assert.deepEqual([domain().power, domain().boots], ["running", 1]);
  assert.equal(lab.callsOf("disks.remove"), 0);
});

test("only the policy Delete destroys it", async (t) => {
  const { lab, uuid, adopt } = await start(t);
  await adopt("web", { deletionPolicy: "Delete" });
  await lab.untilReady("web");
  await lab.deleteVm("web");
  await lab.untilGone("web");
  assert.equal(lab.sim.world.domains.has(uuid), false);
});

test("a domain that goes away is reported and never made anew", async (t) => {
  const { lab, uuid, adopt } = await start(t);
  await adopt("web");
  await lab.untilReady("web");
  lab.sim.world.domains.delete(uuid);
  lab.sim.world.emit({ kind: "vm", uid: uuid, change: "undefined" });
  const vm = await lab.untilReason("web", "DomainNotFound");
  assert.equal(vm.status?.phase, "Failed");
  await lab.clock.advance(300_000);
  assert.equal(lab.sim.world.domains.size, 0);
  await lab.deleteVm("web");
  await lab.untilGone("web");
});

test("a domain that another VM has is not taken; a host that is out of reach says nothing about it", async (t) => {
  const { lab, adopt, domain } = await start(t);
  await adopt("web");
  const first = await lab.untilReady("web");
  await adopt("thief");
  const thief = await lab.untilReason("thief", "DomainNotFree");
  assert.match(readyOf(thief)?.message ?? "", /default\/web/);
  await lab.deleteVm("thief");
  await lab.untilGone("thief");
  assert.equal(domain().adoptedBy?.uid, first.metadata.uid);
  lab.sim.disconnect();
  const away = await lab.untilVm("web", "is unknown", (vm) => readyOf(vm)?.status === "Unknown");
  assert.equal(away.status?.domain, "old");
});

test("a VM stays the domain that it is, whatever its spec says later", async (t) => {
  const { lab, uuid, adopt } = await start(t);
  await adopt("web");
  await lab.untilReady("web");
  await lab.patchVm("web", { spec: { adopt: null } });
  const vm = await lab.untilReason("web", "InvalidSpec");
  assert.match(readyOf(vm)?.message ?? "", /spec\.adopt is absent/);
  assert.equal(vm.status?.id, uuid);
  assert.equal(lab.callsOf("compute.define"), 0);
  await lab.createVm("made");
  await lab.untilReady("made");
  await lab.patchVm("made", { spec: { adopt: { uuid } } });
  await lab.untilVm("made", "refuses to change", (each) =>
    (each.status?.conditions ?? []).some(
      ({ message }) => message.includes("was made here") || message.includes("cannot be resolved"),
    ),
  );
  assert.equal((await lab.vm("made"))?.status?.domain, "made");
});

test("a server that is killed at any step of an adoption ends it after its restart, once", async (t) => {
  for (const step of ["AddFinalizer", "RecordAdoption", "Adopt"]) {
    const { lab, adopt, domain } = await start(t);
    let killed: Promise<void> | undefined;
    lab.onStep = (line) => {
      if (line.step === step && killed === undefined) killed = lab.restart();
    };
    const object = await adopt("web");
    await lab.until(`the kill at ${step}`, async () => killed !== undefined);
    await killed;
    await lab.untilReady("web");
    assert.equal(domain().adoptedBy?.uid, object.metadata.uid);
    assert.equal(domain().boots, 1);
    await lab.kill();
  }
});
