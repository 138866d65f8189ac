// What every provider that changes interfaces of running VMs promises: a part of the conformance suite.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle, macOf, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import { nicFilterKey } from "./nics.ts";
import type { NicDefinition, NicFilter, NicObservation, NicRole } from "./nics.ts";
import { isProviderError } from "./provider-error.ts";
import type { Provider, VmIdentity } from "./provider.ts";

interface Nics extends ConformanceSubject {
  readonly nics: NicRole;
}

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

const noPing: NicFilter = {
  rules: [{ action: "drop", direction: "in", protocol: "icmp" }],
  otherwise: "accept",
  allowsDhcp: true,
};

export function nicRules(rule: Rule): void {
  /** Skipped where the provider leaves interfaces of running VMs alone. */
  const nicRule = (title: string, run: (subject: Nics) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { nics } = subject.provider;
      if (nics !== undefined) await run({ ...subject, nics });
    });

  nicRule("every MAC address of the hypervisor is told with the domain that has it", async (subject) => {
    const { provider, nics, newVm } = subject;
    const vm = newVm();
    await build(subject, vm);
    const found = (await nics.listMacs()).filter(({ uid }) => uid === vm.uid);
    assert.deepEqual(
      found.map(({ mac }) => mac),
      [macOf(vm)],
    );
    await dismantle(provider, vm);
    assert.ok(!(await nics.listMacs()).some(({ uid }) => uid === vm.uid));
  });

  nicRule("interfaces are plugged into a running VM, changed, and asked for back", async (subject) => {
    const { provider, nics, newVm } = subject;
    const vm = newVm();
    const nic = hotNic(newVm());
    await build(subject, vm);
    await rejects(nics.attachNic(vm, nic), "Conflict");
    await provider.compute.start(vm);
    await rejects(nics.tuneNic(vm, nic), "NotFound");
    await nics.attachNic(vm, nic);
    await nics.attachNic(vm, nic);
    const seen = await nicOf(provider, vm, nic.mac);
    assert.deepEqual(
      [seen?.name, seen?.source, seen?.isLinkUp, seen?.isIsolated, seen?.limits, seen?.filter],
      ["hot", { network: "default" }, true, false, {}, undefined],
    );
    assert.ok(seen?.device !== undefined);
    const changed = { ...nic, isLinkUp: false, isIsolated: true, filter: noPing };
    await nics.tuneNic(vm, changed);
    await nics.tuneNic(vm, changed);
    const tuned = await nicOf(provider, vm, nic.mac);
    assert.deepEqual(
      [tuned?.name, tuned?.isLinkUp, tuned?.isIsolated, tuned?.filter],
      ["hot", false, true, nicFilterKey(noPing)],
    );
    await nics.tuneNic(vm, nic);
    assert.deepEqual(await nicOf(provider, vm, nic.mac), seen);
    await nics.requestNicDetach(vm, nic.mac);
    await nics.requestNicDetach(vm, "52:54:00:00:00:01");
    await dismantle(provider, vm);
  });

  nicRule("what an interface is given while the VM runs, it has at the next start", async (subject) => {
    const { provider, nics, newVm } = subject;
    const vm = newVm();
    const nic = hotNic(newVm());
    await build(subject, vm);
    await provider.compute.start(vm);
    await nics.attachNic(vm, nic);
    await nics.tuneNic(vm, { ...nic, isLinkUp: false, filter: noPing });
    await provider.compute.forceOff(vm);
    const kept = await nicOf(provider, vm, nic.mac);
    assert.deepEqual([kept?.isLinkUp, kept?.filter], [false, nicFilterKey(noPing)]);
    await dismantle(provider, vm);
  });

  nicRule("an interface that the host cannot give is refused, and nothing was touched", async (subject) => {
    const { provider, nics, newVm } = subject;
    const vm = newVm();
    const nic = hotNic(newVm());
    await build(subject, vm);
    await provider.compute.start(vm);
    const nowhere = await rejects(nics.attachNic(vm, { ...nic, source: { network: "no-such-net" } }), "InvalidSpec");
    assert.match(nowhere.message, /no-such-net/);
    await rejects(nics.attachNic(vm, { ...nic, vlan: 7 }), "Unsupported");
    assert.equal(await nicOf(provider, vm, nic.mac), undefined);
    await dismantle(provider, vm);
  });

  nicRule("limits hold both ways and are lifted, or are refused and nothing was touched", async (subject) => {
    const { provider, nics, newVm } = subject;
    const vm = newVm();
    const limits = { inbound: { averageKBPerSecond: 1000, peakKBPerSecond: 2000, burstKiB: 512 } };
    const both = { ...limits, outbound: { averageKBPerSecond: 500 } };
    await build(subject, vm);
    await provider.compute.start(vm);
    const [nic] = definitionOf(vm).networks;
    assert.ok(nic !== undefined);
    try {
      await nics.tuneNic(vm, { ...nic, limits: both });
    } catch (error) {
      assert.ok(isProviderError(error, "Unsupported"), String(error));
      assert.deepEqual((await nicOf(provider, vm, nic.mac))?.limits, {});
      await dismantle(provider, vm);
      return;
    }
    assert.deepEqual((await nicOf(provider, vm, nic.mac))?.limits, both);
    await nics.tuneNic(vm, { ...nic, limits });
    assert.deepEqual((await nicOf(provider, vm, nic.mac))?.limits, limits);
    await nics.tuneNic(vm, nic);
    assert.deepEqual((await nicOf(provider, vm, nic.mac))?.limits, {});
    await dismantle(provider, vm);
  });
}

function hotNic(vm: VmIdentity): NicDefinition {
  return { name: "hot", source: { network: "default" }, model: "virtio", mac: macOf(vm) };
}

async function nicOf(provider: Provider, vm: VmIdentity, mac: string): Promise<NicObservation | undefined> {
  const seen = await provider.compute.observe(vm);
  return seen.kind === "present" ? seen.nics.find((nic) => nic.mac === mac) : undefined;
}
