// Two servers over one etcd, with real guests: the one that does not lead reaches a guest's serial line too, and takes over the VMs when
// the leader is killed, with one of everything.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { EtcdServer, whyNoEtcd } from "@vivarium/store";
import { eventually } from "./support/eventually.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

describe("two servers over one etcd", { skip: whyNoHost() ?? whyNoEtcd(), concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let etcd: EtcdServer;
  let leader: VivServer;
  let standby: VivServer;

  before(async () => {
    await libvirt.start();
    etcd = await EtcdServer.start();
    const store = ["--store", "etcd", "--etcd-endpoints", etcd.endpoint];
    leader = await VivServer.create({ arguments: store });
    standby = await VivServer.create({ arguments: store });
    await leader.start();
    await eventually("the first server leads", async () => (isLeading(leader) ? true : undefined));
    await standby.start();
    await leader.apply(await tinyBase());
  });
  after(async () => {
    await leader[Symbol.asyncDispose]();
    await standby[Symbol.asyncDispose]();
    await etcd[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a VM declared at the one that does not lead runs, and its serial log is read there", async () => {
    await standby.apply(tinyVm("web"));
    await running("web");
    const log = await eventually("the guest has printed something", async () => {
      const { code, stdout } = await standby.viv(["logs", "web"]);
      return code === 0 && stdout.length > 0 ? stdout : undefined;
    });
    assert.ok(!isLeading(standby));
    const same = await leader.viv(["logs", "web"]);
    assert.equal(same.stdout.slice(0, 100), log.slice(0, 100));
  });

  test("when the leader is killed the other one takes over: nothing is made twice, and new VMs are made", async () => {
    await leader.kill("SIGKILL");
    await standby.apply(tinyVm("next"));
    await running("next");
    assert.ok(isLeading(standby));
    const { domains } = await inventory();
    assert.deepEqual([...domains].toSorted(), ["next", "web"]);
    await standby.kubectl(["delete", "vm", "web", "next", "--wait", "--timeout=60s"], { timeoutMs: 70_000 });
    assert.deepEqual(await inventory(), { domains: [], running: [], files: [] });
  });
});

function isLeading(server: VivServer): boolean {
  return server.log.some((line) => line.includes("leading: controllers started"));
}

async function running(name: string): Promise<void> {
  await eventually(`${name} runs`, async () => ((await inventory()).running.includes(name) ? true : undefined), {
    timeoutMs: 90_000,
  });
}
