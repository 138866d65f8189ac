// What the conformance suite cannot ask of every provider: against the real libvirtd of this machine.

import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { isProviderError } from "@vivarium/provider";
import type { Provider, VmDefinition, VmIdentity } from "@vivarium/provider";
import { probeAliveText } from "../acceleration/probe-guest.ts";
import { removeLeftovers, runProbeGuest } from "../acceleration/probe.ts";
import { imageVolumeName } from "../names.ts";
import { VolumePool } from "../pool.ts";
import { build, defineForeign, definitionOf, liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

describe("the libvirt provider on a real libvirtd", { skip: liveSkipReason(), concurrency: false }, () => {
  let live: LiveHost;
  before(async () => {
    live = await openLiveHost("live");
  });
  after(() => live?.close());
  const rule = (title: string, run: () => Promise<void>): void => {
    it(title, { timeout: 60_000 }, run);
  };

  rule("the probe guest gives its sign of life when emulated, and an answer under KVM", async () => {
    const parts = { host: live.host, pool: new VolumePool(live.host) };
    assert.deepEqual(await runProbeGuest("qemu", parts), { isAlive: true });
    const underKvm = await runProbeGuest("kvm", parts);
    const { acceleration } = await live.provider.describe();
    assert.equal(acceleration.kind, underKvm.isAlive ? "kvm" : "tcg");
    assert.deepEqual(
      (await parts.pool.names()).filter((name) => name.startsWith("vivarium-probe-")),
      [],
    );
  });

  rule("what a killed probe left is removed once it is old, and not before", async () => {
    const pool = new VolumePool(live.host);
    const old = `vivarium-probe-${Date.now() - 3_600_000}-abcdef.img`;
    const young = `vivarium-probe-${Date.now()}-abcdef.img`;
    for (const name of [old, young]) {
      await pool.create({ name, format: "raw", capacityBytes: 512, allocationBytes: 0 });
    }
    await removeLeftovers({ host: live.host, pool });
    const names = await pool.names();
    assert.deepEqual([names.includes(old), names.includes(young)], [false, true]);
    await pool.delete(young);
  });

  rule("a guest's serial output is on the console for all readers, and in the log afterwards", async () => {
    const vm = await built();
    const { compute, console, disks } = live.provider;
    assert.ok(console);
    await compute.start(vm);
    const leave = new AbortController();
    const readers = await Promise.all([
      console.open(vm, { signal: leave.signal }),
      console.open(vm, { signal: leave.signal }),
    ]);
    await waitFor(async () => Buffer.from(await console.readLog(vm)).includes(probeAliveText));
    const tail = await console.readLog(vm, { tailBytes: 4 });
    assert.equal(tail.length, 4);
    await readers[0]?.write(new Uint8Array([13]));
    await readers[0]?.close();
    await compute.forceOff(vm);
    for await (const chunk of readers[1]?.output ?? []) assert.ok(chunk.length > 0);
    await compute.undefine(vm);
    await disks.remove(vm);
    assert.equal((await console.readLog(vm)).length, 0);
  });

  rule("a domain with the VM's UUID but without our mark is foreign", async () => {
    const vm = live.newVm();
    await defineForeign(live.libvirt, { ...vm, name: `${vm.name}-other` }, vm.uid);
    const seen = await live.provider.compute.observe(vm);
    assert.equal(seen.kind, "foreign");
    await assert.rejects(live.provider.compute.undefine(vm), (error) => isProviderError(error, "Conflict"));
  });

  rule(
    "a guest that does not let go of a disk keeps it, however often it is asked, and loses it when it is off",
    async () => {
      const vm = await built();
      const { compute, disks, hotplug } = live.provider;
      assert.ok(hotplug);
      const names = async (): Promise<readonly string[]> => {
        const seen = await compute.observe(vm);
        return seen.kind === "present" ? seen.disks.map((disk) => disk.name) : [];
      };
      await compute.start(vm);
      await disks.ensureData(vm, { name: "data", sizeBytes: 2 ** 20, preallocated: false });
      await hotplug.attachDisk(vm, { name: "data" });
      // The guest has halted: nobody in it answers.
      await waitFor(async () => Buffer.from((await live.provider.console?.readLog(vm)) ?? []).includes(probeAliveText));
      await hotplug.requestDetach(vm, "data");
      await hotplug.requestDetach(vm, "data");
      assert.deepEqual(await names(), ["root", "data"]);
      await compute.forceOff(vm);
      assert.deepEqual(await names(), ["root"]);
      await compute.undefine(vm);
      await disks.remove(vm);
    },
  );

  rule("a disk is a clone of the image, only ever larger", async () => {
    const vm = live.newVm();
    const { provider, image } = live;
    const { id, path } = await provider.images.import(image);
    await provider.disks.ensureRoot(vm, { name: "small", imageId: id, sizeBytes: 512 });
    await provider.disks.ensureRoot(vm, { name: "large", imageId: id, sizeBytes: 8 * 2 ** 20 });
    const pool = new VolumePool(live.host);
    const names = (await pool.names()).filter((name) => name.startsWith(vm.name)).sort();
    const views = await Promise.all(names.map((name) => pool.find(name)));
    assert.deepEqual(
      views.map((view) => [view?.backingPath, view?.capacityBytes, view?.format]),
      [
        [path, 8 * 2 ** 20, "qcow2"],
        [path, image.virtualSizeBytes, "qcow2"],
      ],
    );
    await provider.disks.remove(vm);
  });

  rule("a preallocated disk takes its space at once", async () => {
    const vm = live.newVm();
    const sizeBytes = 4 * 2 ** 20;
    await live.provider.disks.ensureData(vm, { name: "full", sizeBytes, preallocated: true });
    await live.provider.disks.ensureData(vm, { name: "thin", sizeBytes, preallocated: false });
    const pool = await live.libvirt.storagePoolLookupByName(live.config.pool);
    const taken = async (disk: string): Promise<number> => {
      const name = `${vm.name}.${vm.uid.slice(0, 8)}.${disk}.qcow2`;
      const volume = await live.libvirt.storageVolLookupByName(pool, name);
      return (await live.libvirt.storageVolGetInfo(volume)).allocationBytes;
    };
    assert.ok((await taken("full")) >= sizeBytes);
    assert.ok((await taken("thin")) < sizeBytes);
    await live.provider.disks.remove(vm);
  });

  it(
    "a disk whose file somebody removed is made again, not taken for made",
    { timeout: 60_000, skip: process.getuid?.() === 0 ? false : "SKIPPED: only root may touch the pool's directory" },
    async () => {
      const vm = live.newVm();
      const disk = { name: "data", sizeBytes: 2 ** 20, preallocated: false };
      await live.provider.disks.ensureData(vm, disk);
      const pool = new VolumePool(live.host);
      const name = `${vm.name}.${vm.uid.slice(0, 8)}.data.qcow2`;
      rmSync((await pool.find(name))?.path ?? "");
      assert.equal(await pool.find(name), undefined);
      await live.provider.disks.ensureData(vm, disk);
      assert.equal((await pool.find(name))?.capacityBytes, disk.sizeBytes);
      await live.provider.disks.remove(vm);
    },
  );

  rule("an interrupted import does not count, and is replaced by the next", async () => {
    const { provider, image } = live;
    await provider.images.remove(image.digest);
    const pool = new VolumePool(live.host);
    const name = imageVolumeName({ digest24: image.digest.slice(7, 31), format: "qcow2", sizeBytes: image.sizeBytes });
    await pool.write(
      name,
      (async function* () {
        yield new Uint8Array(1000);
      })(),
    );
    assert.equal(await provider.images.find(image.digest), undefined);
    const imported = await provider.images.import(image);
    assert.equal(imported.id, name);
    assert.equal(imported.virtualSizeBytes, image.virtualSizeBytes);
  });

  rule("an aborted import leaves nothing that counts", async () => {
    const { provider, image } = live;
    await provider.images.remove(image.digest);
    const reason = new Error("the user left");
    const leave = new AbortController();
    leave.abort(reason);
    await assert.rejects(provider.images.import(image, { signal: leave.signal }), reason);
    assert.equal(await provider.images.find(image.digest), undefined);
    await provider.images.import(image);
  });

  rule(
    "two servers that import one image at the same moment have it once, and what fails is worth another try",
    async () => {
      const { provider, image } = live;
      const other = live.reopen();
      await other.describe();
      for (let round = 0; round < 10; round++) {
        await provider.images.remove(image.digest);
        const importBy = async (by: Provider): Promise<string> => {
          for (;;) {
            try {
              return (await by.images.import(image)).id;
            } catch (error) {
              assert.ok(isProviderError(error) && error.retryable, String(error));
            }
          }
        };
        const [one, two] = await Promise.all([importBy(provider), importBy(other)]);
        assert.equal(one, two);
        assert.notEqual(await provider.images.find(image.digest), undefined);
      }
    },
  );

  rule("a second connection finds and finishes what the first began", async () => {
    const vm = live.newVm();
    const { id } = await live.provider.images.import(live.image);
    await live.provider.disks.ensureRoot(vm, { name: "root", imageId: id });
    const second = live.reopen();
    await second.describe();
    await second.disks.ensureRoot(vm, { name: "root", imageId: id });
    await second.disks.writeSeed(vm, new Uint8Array(2048));
    await second.compute.define(definitionOf(vm));
    await second.compute.start(vm);
    const seen = await live.provider.compute.observe(vm);
    assert.equal(seen.kind === "present" && seen.power, "running");
    await live.provider.compute.forceOff(vm);
    await live.provider.compute.undefine(vm);
    await live.provider.disks.remove(vm);
  });

  rule("a pool that was stopped, or removed with nothing in it, is put up again", async () => {
    const { libvirt, config, provider } = live;
    const pool = await libvirt.storagePoolLookupByName(config.pool);
    await libvirt.storagePoolDestroy(pool);
    assert.equal((await provider.compute.observe(live.newVm())).kind, "absent");
    await libvirt.storagePoolDestroy(pool);
    await libvirt.storagePoolUndefine(pool);
    assert.equal((await provider.compute.observe(live.newVm())).kind, "absent");
    const again = await libvirt.storagePoolLookupByName(config.pool);
    assert.equal(await libvirt.storagePoolIsActive(again), true);
  });

  rule("a serial log that virtlogd rotated is removed with the VM; a stranger's file is not", async () => {
    const vm = live.newVm();
    const pool = new VolumePool(live.host);
    const prefix = `${vm.name}.${vm.uid.slice(0, 8)}.`;
    const names = [`${prefix}serial.log`, `${prefix}serial.log.0`, `${prefix}notes.txt`];
    for (const name of names) await pool.create({ name, format: "raw", capacityBytes: 512, allocationBytes: 0 });
    await live.provider.disks.remove(vm);
    assert.deepEqual(
      (await pool.names()).filter((name) => name.startsWith(prefix)),
      [`${prefix}notes.txt`],
    );
    await pool.delete(`${prefix}notes.txt`);
  });

  it(
    "what virtlogd put away behind libvirt's back is read before what came after it",
    { timeout: 60_000, skip: process.getuid?.() === 0 ? false : "SKIPPED: only root may touch the pool's directory" },
    async () => {
      const vm = live.newVm();
      const pool = new VolumePool(live.host);
      const log = `${vm.name}.${vm.uid.slice(0, 8)}.serial.log`;
      await pool.write(log, Readable.from([Buffer.from("new")]));
      const path = (await pool.find(log))?.path ?? "";
      writeFileSync(`${path}.0`, "middle ");
      writeFileSync(`${path}.1`, "old ");
      // One that has not looked at the pool for a while.
      const other = live.reopen();
      await other.describe();
      assert.equal(String(Buffer.from((await other.console?.readLog(vm)) ?? [])), "old middle new");
      assert.equal(String(Buffer.from((await other.console?.readLog(vm, { tailBytes: 6 })) ?? [])), "le new");
      await live.provider.disks.remove(vm);
      assert.equal(existsSync(`${path}.1`), false);
    },
  );

  rule("UEFI firmware leaves no variables behind", async () => {
    const vm = live.newVm();
    const { capabilities } = await live.provider.describe();
    if (!capabilities.uefi) return;
    await built(vm, { firmware: "UEFI" });
    await live.provider.compute.start(vm);
    await live.provider.compute.forceOff(vm);
    await live.provider.compute.undefine(vm);
    assert.equal((await live.provider.compute.observe(vm)).kind, "absent");
    await live.provider.disks.remove(vm);
  });

  rule("leases can be asked for and given back where there are none", async () => {
    const vm = await built();
    await live.provider.compute.start(vm);
    assert.deepEqual(await live.provider.addresses.lookup(vm, [definitionOf(vm).networks[0]?.mac ?? ""]), []);
    await live.provider.addresses.release(["52:54:00:00:00:01"]);
    await live.provider.compute.forceOff(vm);
    await live.provider.compute.undefine(vm);
    await live.provider.disks.remove(vm);
  });

  async function built(vm: VmIdentity = live.newVm(), change: Partial<VmDefinition> = {}): Promise<VmIdentity> {
    await build(live, vm, change);
    return vm;
  }
});

async function waitFor(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 100));
}
