// What every provider that has networks promises, as tests: part of the conformance suite.

import assert from "node:assert/strict";
import { build, definitionOf, dismantle, rejects } from "./conformance-parts.ts";
import type { ConformanceSubject } from "./conformance-parts.ts";
import type { NetworkDefinition, NetworkObservation, NetworkRef, NetworkRole } from "./network.ts";

interface Networked extends ConformanceSubject {
  readonly networks: NetworkRole;
}

type Rule = (title: string, run: (subject: ConformanceSubject) => Promise<void>) => void;

export function networkRules(rule: Rule): void {
  /** Skipped where the provider has no networks. */
  const networkRule = (title: string, run: (subject: Networked) => Promise<void>): void =>
    rule(title, async (subject) => {
      const { networks } = subject.provider;
      if (networks === undefined) return;
      await run({ ...subject, networks });
    });
  const onNetwork = (title: string, run: (subject: Networked, network: NetworkDefinition) => Promise<void>): void =>
    networkRule(title, async (subject) => {
      const network = subject.newNetwork();
      await subject.networks.create(network);
      await run(subject, network);
      await subject.networks.remove(madeRef(network));
    });

  networkRule("what does not exist of networks is absent, and removing it is success", async (subject) => {
    const { networks, newNetwork } = subject;
    const network = newNetwork();
    assert.deepEqual(await networks.observe(madeRef(network)), { kind: "absent" });
    await networks.remove(madeRef(network));
    await rejects(networks.start(madeRef(network)), "NotFound");
    await rejects(networks.update(network), "NotFound");
  });

  networkRule("a network is made, seen and removed, each step twice", async ({ networks, newNetwork }) => {
    const network = newNetwork();
    await networks.check(network);
    await networks.create(network);
    await networks.create(network);
    await networks.check(network);
    const seen = presentOf(await networks.observe(madeRef(network)));
    assert.ok(seen.isActive && seen.isDefined);
    assert.ok(seen.shape.bridge !== undefined);
    const { mode, domain, subnets, settings } = network;
    assert.deepEqual([seen.shape.mode, seen.shape.domain, seen.shape.subnets], [mode, domain, subnets]);
    assert.deepEqual([seen.settings, seen.leases, seen.users], [settings, [], []]);
    await networks.remove(madeRef(network));
    await networks.remove(madeRef(network));
    assert.deepEqual(await networks.observe(madeRef(network)), { kind: "absent" });
  });

  networkRule("what the host cannot do is refused before anything is touched", async ({ networks, newNetwork }) => {
    const { owner, name, settings } = newNetwork();
    const bare = { owner, name, subnets: [], settings: { ...settings, ranges: [], leases: [], dnsHosts: [] } };
    await rejects(networks.check({ ...bare, mode: "bridged", bridge: "no-such-br0" }), "InvalidSpec");
    assert.deepEqual(await networks.observe({ kind: "made", uid: owner.uid, name }), { kind: "absent" });
  });

  onNetwork("settings are changed while it runs, all of them and back to none", async ({ networks }, network) => {
    const bridge = presentOf(await networks.observe(madeRef(network))).shape.bridge;
    const [first] = network.settings.ranges;
    assert.ok(first !== undefined);
    const more = {
      isAutostarted: !network.settings.isAutostarted,
      ranges: [{ start: first.end, end: first.end }],
      leases: [
        { mac: "52:54:00:00:00:01", ip: first.end, hostname: "printer" },
        { mac: "52:54:00:00:00:02", ip: first.start },
      ],
      dnsHosts: [
        { ip: first.start, names: ["alpha", "beta"] },
        { ip: first.end, names: ["gamma"] },
      ],
    };
    const swapped = {
      ...more,
      leases: [
        { mac: "52:54:00:00:00:01", ip: first.start, hostname: "printer" },
        { mac: "52:54:00:00:00:02", ip: first.end },
      ],
      dnsHosts: [{ ip: first.end, names: ["alpha"] }],
    };
    const none = { isAutostarted: false, ranges: [], leases: [], dnsHosts: [] };
    for (const settings of [more, more, swapped, none, network.settings]) {
      await networks.update({ ...network, settings });
      const seen = presentOf(await networks.observe(madeRef(network)));
      assert.deepEqual(seen.settings, settings);
      assert.deepEqual([seen.isActive, seen.shape.bridge], [true, bridge]);
    }
  });

  onNetwork("a network of that name that is not ours is never touched", async ({ networks, newNetwork }, network) => {
    const other = { ...network, owner: newNetwork().owner };
    assert.equal((await networks.observe(madeRef(other))).kind, "foreign");
    await rejects(networks.create(other), "Conflict");
    await networks.remove(madeRef(other));
    assert.equal((await networks.observe({ kind: "adopted", name: network.name })).kind, "present");
  });

  onNetwork("a subnet that another network has is refused by name", async ({ networks, newNetwork }, network) => {
    const refusal = await rejects(networks.check({ ...newNetwork(), subnets: network.subnets }), "Conflict");
    assert.ok(refusal.message.includes(network.name), refusal.message);
    assert.ok(refusal.message.includes(network.subnets[0] ?? ""), refusal.message);
  });

  onNetwork("a network that a VM uses, running or not, is not removed", async (subject, network) => {
    const { provider, networks, newVm } = subject;
    const vm = newVm();
    await build(subject, vm);
    const plain = definitionOf(vm);
    const plugged = plain.networks.map((nic) => ({ ...nic, source: { network: network.name } }));
    await provider.compute.define({ ...plain, networks: plugged });
    const seen = presentOf(await networks.observe(madeRef(network)));
    assert.deepEqual(
      seen.users.map(({ uid }) => uid),
      [vm.uid],
    );
    const refusal = await rejects(networks.remove(madeRef(network)), "Conflict");
    assert.ok(refusal.message.includes(vm.name), refusal.message);
    await provider.compute.start(vm);
    await rejects(networks.remove(madeRef(network)), "Conflict");
    await dismantle(provider, vm);
  });
}

type Present = Extract<NetworkObservation, { kind: "present" }>;

function presentOf(seen: NetworkObservation): Present {
  assert.ok(seen.kind === "present", seen.kind);
  return seen;
}

function madeRef({ owner, name }: NetworkDefinition): Extract<NetworkRef, { kind: "made" }> {
  return { kind: "made", uid: owner.uid, name };
}
