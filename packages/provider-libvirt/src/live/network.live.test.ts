// Guests of a network that was stopped, on the real libvirtd of this machine: the tap loses its bridge, and gets it again.

import assert from "node:assert/strict";
import { readlink } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { DomainDeviceModifyFlags } from "@vivarium/libvirt";
import type { NetworkDefinition, NetworkUser } from "@vivarium/provider";
import { detourOf } from "../network/reconnect.ts";
import { find, findAll, parseXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";
import { build, liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

describe("a network that was stopped, on a real libvirtd", { skip: liveSkipReason(), concurrency: false }, () => {
  let live: LiveHost;
  before(async () => {
    live = await openLiveHost("net");
  });
  after(() => live?.close());

  it("its guests are cut off and are plugged in again, also from half-way", { timeout: 120_000 }, async () => {
    const { provider, libvirt } = live;
    const { networks, compute } = provider;
    assert.ok(networks);
    const network: NetworkDefinition = live.newNetwork();
    const ref = { kind: "made", uid: network.owner.uid, name: network.name } as const;
    await networks.create(network);
    const vm = live.newVm();
    const mac = "52:54:00:77:00:01";
    await build(live, vm, { networks: [{ name: "lan", source: { network: network.name }, model: "virtio", mac }] });
    await compute.start(vm);
    const users = async (): Promise<readonly NetworkUser[]> => {
      const seen = await networks.observe(ref);
      assert.ok(seen.kind === "present");
      return seen.users;
    };
    const domain = await libvirt.domainLookupByUuid(vm.uid);
    const nic = async (): Promise<XmlElement> => {
      const [first] = findAll(parseXml(await libvirt.domainGetXmlDesc(domain)), "devices", "interface");
      assert.ok(first !== undefined);
      return first;
    };
    const master = async (): Promise<string | undefined> => {
      const device = find(await nic(), "target")?.attributes["dev"] ?? "";
      return readlink(`/sys/class/net/${device}/master`).catch(() => undefined);
    };
    const user = { name: vm.name, uid: vm.uid };
    assert.deepEqual(await users(), [user]);
    assert.ok((await master()) !== undefined);

    const handle = await libvirt.networkLookupByUuid(network.owner.uid);
    await libvirt.networkDestroy(handle);
    await networks.start(ref);
    assert.deepEqual(await users(), [{ ...user, isCutOff: true }]);
    assert.equal(await master(), undefined);
    await networks.reconnect(ref);
    assert.deepEqual(await users(), [user]);
    assert.ok((await master()) !== undefined);

    const bridge = find(await nic(), "source")?.attributes["bridge"] ?? "";
    const [there = ""] = detourOf({ network: network.name, port: undefined, element: await nic() }, bridge);
    await libvirt.domainUpdateDeviceFlags(domain, there, { flags: DomainDeviceModifyFlags.LIVE });
    assert.deepEqual(await users(), [{ ...user, isCutOff: true }]);
    await networks.reconnect(ref);
    assert.deepEqual(await users(), [user]);
    assert.equal(find(await nic(), "source")?.attributes["network"], network.name);

    await compute.forceOff(vm);
    await compute.undefine(vm);
    await provider.disks.remove(vm);
    await networks.remove(ref);
  });
});
