// Interfaces of VMs that run: plugged in, let go, changed; and what happens when something does not want to.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Event, findCondition, restartAnnotation, VMNetworkAttachment } from "@vivarium/api";
import type { VirtualMachine, VirtualMachineSpec } from "@vivarium/api";
import { headOf } from "../../testing/controllers-lab.ts";
import { readyOf, VmLab } from "../../testing/vm-lab.ts";

type Networks = NonNullable<VirtualMachineSpec["networks"]>;

function nicsOf(lab: VmLab, vm: VirtualMachine) {
  return lab.sim.world.domains.get(vm.metadata.uid ?? "")?.nics ?? [];
}

function attached(vm: VirtualMachine) {
  return findCondition(vm.status?.conditions, "NetworksAttached");
}

function setNetworks(lab: VmLab, networks: Networks): Promise<VirtualMachine> {
  return lab.patchVm("web", { spec: { networks } });
}

function untilNetworks(lab: VmLab, reason: string): Promise<VirtualMachine> {
  return lab.untilVm("web", `has networks: ${reason}`, (vm) => attached(vm)?.reason === reason);
}

function untilNames(lab: VmLab, ...names: readonly string[]): Promise<VirtualMachine> {
  return lab.untilVm("web", `has ${names.join()}`, (vm) => {
    const networks = vm.status?.networks ?? [];
    return (
      networks.map(({ name }) => name).join() === names.join() && networks.every(({ state }) => state === "Attached")
    );
  });
}

function makeAttachment(lab: VmLab, spec: Partial<VMNetworkAttachment["spec"]> = {}): Promise<VMNetworkAttachment> {
  return lab.client.create(VMNetworkAttachment, {
    ...headOf(VMNetworkAttachment, "lan"),
    spec: { network: { type: "nat" }, ...spec },
  });
}

describe("interfaces of a running VM", () => {
  test("are plugged in and let go without a restart, and each keeps its MAC address", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { networks: [{ name: "a" }] });
    const before = await lab.untilReady("web");
    const [first] = before.status?.networks ?? [];
    assert.equal(first?.link, "Up");
    await setNetworks(lab, [{ name: "b" }, { name: "a" }]);
    const both = await untilNames(lab, "a", "b");
    assert.equal(findCondition(both.status?.conditions, "ReconfigurePendingPowerCycle")?.status, "False");
    assert.equal(both.status?.networks?.[0]?.mac, first.mac);
    await setNetworks(lab, [{ name: "b" }]);
    const after = await untilNames(lab, "b");
    assert.equal(after.status?.networks?.[0]?.mac, both.status?.networks?.[1]?.mac);
    assert.equal(after.status?.startedAt, before.status?.startedAt);
    await lab.restart();
    await lab.patchVm("web", { spec: { powerState: "Off" } });
    await lab.untilReason("web", "Stopped");
    await lab.patchVm("web", { spec: { powerState: "On" } });
    const again = await lab.untilReady("web");
    assert.equal(again.status?.networks?.[0]?.mac, after.status?.networks?.[0]?.mac);
    const reasons = (await lab.client.list(Event)).items.map((event) => event.reason);
    assert.ok(reasons.includes("InterfaceAttached") && reasons.includes("InterfaceDetaching"), reasons.join());
  });

  test("a MAC address that a domain on the host has is not given", async (t) => {
    const lab = await VmLab.start(t);
    const mac = "52:54:00:00:00:77";
    const nic = { name: "x", source: { network: "default" }, model: "virtio", mac };
    lab.sim.addForeignDomain({ name: "theirs", uid: "11111111-0000-4000-8000-000000000000", nics: [nic] });
    await lab.createVm("web", { networks: [{ name: "a" }] });
    await lab.untilReady("web");
    await setNetworks(lab, [{ name: "a" }, { name: "b", macAddress: mac }]);
    const vm = await untilNetworks(lab, "Conflict");
    assert.match(attached(vm)?.message ?? "", /domain "theirs"/);
    assert.equal(readyOf(vm)?.status, "True");
    assert.equal(nicsOf(lab, vm).length, 1);
    assert.match(vm.status?.networks?.[1]?.message ?? "", /theirs/);
    await setNetworks(lab, [{ name: "a" }, { name: "b", macAddress: "52:54:00:00:00:78" }]);
    await untilNames(lab, "a", "b");
  });

  test("a declared MAC address that is changed is another interface: the old one goes first", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { networks: [{ name: "a", macAddress: "52:54:00:00:00:01" }] });
    await lab.untilReady("web");
    await setNetworks(lab, [{ name: "a", macAddress: "52:54:00:00:00:02" }]);
    const vm = await lab.untilVm("web", "has the new one", ({ status }) => {
      return status?.networks?.length === 1 && status.networks[0]?.mac === "52:54:00:00:00:02";
    });
    await untilNetworks(lab, "AsDeclared");
    assert.deepEqual(
      nicsOf(lab, vm).map(({ mac }) => mac),
      ["52:54:00:00:00:02"],
    );
  });

  test("a guest that does not let go is told of after half a minute, and asked again", async (t) => {
    const lab = await VmLab.start(t, { guest: { detach: "ignores" } });
    await lab.createVm("web", { networks: [{ name: "a" }, { name: "b" }] });
    await lab.untilReady("web");
    await setNetworks(lab, [{ name: "a" }]);
    const going = await untilNetworks(lab, "Detaching");
    assert.equal(going.status?.networks?.[1]?.state, "Detaching");
    const refused = await untilNetworks(lab, "DetachRefused");
    assert.equal(readyOf(refused)?.status, "True");
    lab.sim.guest.detach = "obeys";
    await untilNames(lab, "a");
    await untilNetworks(lab, "AsDeclared");
  });

  test("link, limits, filter and isolation are changed live, and lifted", async (t) => {
    const lab = await VmLab.start(t);
    await makeAttachment(lab);
    const networkRef = { name: "lan" };
    await lab.createVm("web", { networks: [{ name: "a", networkRef }] });
    const vm = await lab.untilReady("web");
    const nic = () => nicsOf(lab, vm)[0];
    await setNetworks(lab, [
      { name: "a", networkRef, linkState: "Down", limits: { ingress: { average: "8M", peak: "16M", burst: "1Mi" } } },
    ]);
    const down = await lab.untilVm("web", "is unplugged", ({ status }) => status?.networks?.[0]?.link === "Down");
    await lab.until("limits", async () => nic()?.limits !== undefined);
    assert.deepEqual(nic()?.limits, { inbound: { averageKBPerSecond: 1000, peakKBPerSecond: 2000, burstKiB: 1024 } });
    assert.equal(down.status?.networks?.[0]?.source, "network/default");
    await lab.client.mergePatch(
      VMNetworkAttachment,
      { namespace: "default", name: "lan" },
      { spec: { security: { antiSpoofing: true, isolation: { mode: "strict" } }, qos: { egressLimit: 800_000 } } },
    );
    await lab.until("the filter", async () => nic()?.filter?.antiSpoofing !== undefined && nic()?.isIsolated === true);
    assert.deepEqual(nic()?.limits?.outbound, { averageKBPerSecond: 100 });
    await lab.client.mergePatch(
      VMNetworkAttachment,
      { namespace: "default", name: "lan" },
      { spec: { security: null, qos: null } },
    );
    await setNetworks(lab, [{ name: "a", networkRef }]);
    await lab.until("nothing is left", async () => {
      const { filter, limits, isIsolated, isLinkUp } = nic() ?? {};
      return [filter, limits, isIsolated, isLinkUp].every((each) => each === undefined);
    });
    assert.equal(lab.callsOf("compute.start"), 1);
  });

  test("limits that the host cannot keep are Unsupported, and the VM runs on as it was", async (t) => {
    const lab = await VmLab.start(t, { host: { nicLimits: false } });
    await lab.createVm("web", { networks: [{ name: "a" }] });
    const vm = await lab.untilReady("web");
    await setNetworks(lab, [{ name: "a", limits: { egress: { average: "1M" } } }]);
    const refused = await untilNetworks(lab, "Unsupported");
    assert.equal(readyOf(refused)?.status, "True");
    assert.equal(nicsOf(lab, vm)[0]?.limits, undefined);
    assert.match(refused.status?.networks?.[0]?.message ?? "", /Not as declared: limits .*cannot limit/);
    await lab.createVm("other", { networks: [{ name: "a", limits: { egress: { average: "1M" } } }] });
    await lab.untilReason("other", "Unsupported");
    assert.equal(lab.inventory().domains.length, 1);
  });

  test("one static address in one network is for one VM: for the one that has it, and then for the next", async (t) => {
    const lab = await VmLab.start(t);
    const networks = [{ name: "a", ipAddress: "192.0.2.10" }];
    await lab.createVm("first", { networks });
    await lab.until("first is made", async () => lab.inventory().domains.includes("first"));
    await lab.createVm("web", { networks });
    const waiting = await lab.untilReason("web", "AddressInUse");
    assert.match(readyOf(waiting)?.message ?? "", /192\.0\.2\.10 .*"default\/first"/);
    await lab.deleteVm("first");
    await lab.until("web is made", async () => lab.inventory().domains.includes("web"));
  });

  for (const method of ["nics.attachNic", "nics.requestNicDetach", "nics.tuneNic", "nics.listMacs"] as const) {
    test(`an answer of ${method} that is lost changes nothing in the end`, async (t) => {
      const lab = await VmLab.start(t);
      await lab.createVm("web", { networks: [{ name: "a" }] });
      await lab.untilReady("web");
      lab.sim.loseAnswer(method);
      await setNetworks(lab, [{ name: "a", linkState: "Down" }, { name: "b" }]);
      await untilNames(lab, "a", "b");
      await setNetworks(lab, [{ name: "a" }]);
      await untilNames(lab, "a");
      await untilNetworks(lab, "AsDeclared");
    });
  }

  test("a server that dies between plugging in and recording it finds the interface there", async (t) => {
    const lab = await VmLab.start(t);
    await lab.createVm("web", { networks: [{ name: "a" }] });
    await lab.untilReady("web");
    let isKilled = false;
    lab.onStep = ({ step, phase }) => {
      if (step === "AttachNic" && phase === "done") void lab.restart().then(() => (isKilled = true));
    };
    await setNetworks(lab, [{ name: "a" }, { name: "b" }]);
    await lab.until("it is killed", async () => isKilled);
    const vm = await untilNames(lab, "a", "b");
    await untilNetworks(lab, "AsDeclared");
    assert.equal(nicsOf(lab, vm).length, 2);
    assert.equal(lab.callsOf("nics.attachNic"), 1);
  });

  test("what only a power cycle changes is told, and applied then", async (t) => {
    const lab = await VmLab.start(t);
    await makeAttachment(lab);
    await lab.createVm("web", { networks: [{ name: "a", networkRef: { name: "lan" } }] });
    const vm = await lab.untilReady("web");
    await lab.client.mergePatch(
      VMNetworkAttachment,
      { namespace: "default", name: "lan" },
      { spec: { network: { libvirt: { model: "e1000" } } } },
    );
    const told = await lab.untilVm("web", "tells", ({ status }) => status?.networks?.[0]?.message !== undefined);
    assert.match(told.status?.networks?.[0]?.message ?? "", /next off: model/);
    assert.equal(nicsOf(lab, vm)[0]?.model, "virtio");
    await lab.patchVm("web", { metadata: { annotations: { [restartAnnotation]: "1" } } });
    await lab.until("applied", async () => nicsOf(lab, vm)[0]?.model === "e1000");
  });
});
