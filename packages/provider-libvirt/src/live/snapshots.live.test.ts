// What the conformance suite cannot ask of every provider about snapshots: what is really on the disks, on the libvirtd of this machine.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { isProviderError } from "@vivarium/provider";
import type { SnapshotRequest, SnapshotRole, VmDefinition, VmIdentity } from "@vivarium/provider";
import { probeAliveText } from "../acceleration/probe-guest.ts";
import { overlayVolumeName, memoryVolumeName, nvramVolumeName } from "../names.ts";
import { VolumePool } from "../pool.ts";
import { parseDomainXml } from "../domain/view.ts";
import { liveSkipReason, openLiveHost } from "./live-host.ts";
import type { LiveHost } from "./live-host.ts";

const skip =
  liveSkipReason() || (process.getuid?.() === 0 ? false : "SKIPPED: only root may write into the pool's files");

describe("snapshots on a real libvirtd", { skip, concurrency: false }, () => {
  let live: LiveHost;
  let snapshots: SnapshotRole;
  let pool: VolumePool;
  before(async () => {
    live = await openLiveHost("snap");
    assert.ok(live.provider.snapshots);
    snapshots = live.provider.snapshots;
    pool = new VolumePool(live.host);
  });
  after(() => live?.close());
  const rule = (title: string, run: () => Promise<void>): void => {
    it(title, { timeout: 120_000 }, run);
  };

  rule("disks go back anywhere in the tree, whatever was removed in between", async () => {
    const vm = await built();
    const { compute } = live.provider;
    const taken = new Map<number, string>();
    const take = async (mark: number): Promise<void> => {
      const request = asked();
      await snapshots.create(vm, request);
      taken.set(mark, request.uid);
    };
    const revert = (mark: number): Promise<void> =>
      snapshots.revert(vm, { uid: taken.get(mark) ?? "", requestId: randomUUID() });
    const remove = (mark: number): Promise<void> => snapshots.remove(vm, taken.get(mark) ?? "");
    await write(vm, 1);
    await take(1);
    await write(vm, 2);
    await take(2);
    await write(vm, 3);
    await compute.start(vm);
    await take(3);
    await compute.forceOff(vm);
    await write(vm, 4);
    await revert(2);
    await holds(vm, 2);
    await write(vm, 5);
    await compute.start(vm);
    await take(5);
    // In the middle of the chain that runs, and where two branches begin.
    await remove(1);
    await remove(2);
    await compute.forceOff(vm);
    await holds(vm, 5);
    await write(vm, 6);
    await revert(3);
    await holds(vm, 3);
    await revert(5);
    await holds(vm, 5);
    await remove(3);
    // One branch only is left: what the VM runs on is one file again.
    await remove(5);
    await holds(vm, 5);
    assert.deepEqual(await diskFiles(vm), ["root.qcow2"]);
    await dismantle(vm);
  });

  rule("memory comes back with its disks, and the VM goes on from there", async () => {
    const vm = await built();
    const { compute, console } = live.provider;
    await compute.start(vm);
    // It has said all that it says: more would mean another boot.
    while (!Buffer.from((await console?.readLog(vm)) ?? []).includes(probeAliveText)) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const request = { ...asked(), memory: true };
    const progress: number[] = [];
    await snapshots.create(vm, request, { onProgress: ({ doneBytes }) => progress.push(doneBytes) });
    assert.ok((await pool.names()).includes(memoryVolumeName(vm, request.uid)));
    const [seen] = await snapshots.list(vm);
    assert.ok((seen?.sizeBytes ?? 0) > 2 ** 20, `${seen?.sizeBytes} bytes of memory`);
    await compute.forceOff(vm);
    await write(vm, 9);
    const printed = (await console?.readLog(vm))?.length ?? 0;
    await snapshots.revert(vm, { uid: request.uid, requestId: "1" });
    const back = await compute.observe(vm);
    assert.deepEqual(back.kind === "present" && [back.power, back.powerReason], ["running", "restored"]);
    // It did not boot again.
    assert.equal((await console?.readLog(vm))?.length ?? 0, printed);
    await compute.forceOff(vm);
    await holds(vm, 0);
    await snapshots.remove(vm, request.uid);
    assert.ok(!(await pool.names()).includes(memoryVolumeName(vm, request.uid)));
    await dismantle(vm);
  });

  rule("UEFI: disks and variables, off and running, and with memory", async () => {
    if (!(await live.provider.describe()).capabilities.uefi) return;
    const vm = await built({ firmware: "UEFI", memoryBytes: 128 * 2 ** 20 });
    const { compute } = live.provider;
    await refuses(snapshots.create(vm, { ...asked(), method: "internal" }), "Unsupported", /UEFI/);
    const first = asked();
    await write(vm, 1);
    await snapshots.create(vm, first);
    await compute.start(vm);
    const running = asked();
    const whole = { ...asked(), memory: true };
    await snapshots.create(vm, running);
    await snapshots.create(vm, whole);
    await compute.forceOff(vm);
    // libvirt does not name the file of a VM that is off.
    const off = asked();
    await snapshots.create(vm, off);
    assert.ok((await pool.names()).includes(nvramVolumeName(vm, off.uid)));
    await snapshots.remove(vm, off.uid);
    await write(vm, 2);
    await snapshots.revert(vm, { uid: running.uid, requestId: "1" });
    await holds(vm, 1);
    await compute.start(vm);
    await snapshots.revert(vm, { uid: whole.uid, requestId: "2" });
    const back = await compute.observe(vm);
    assert.equal(back.kind === "present" && back.power, "running");
    await compute.forceOff(vm);
    await snapshots.revert(vm, { uid: first.uid, requestId: "3" });
    await holds(vm, 1);
    for (const { uid } of [first, running, whole]) await snapshots.remove(vm, uid);
    assert.deepEqual(await diskFiles(vm), ["root.qcow2"]);
    await dismantle(vm);
  });

  rule("inside the disks' files, where that is asked for: off, with memory, tree and all", async () => {
    const vm = await built();
    const { compute } = live.provider;
    const [a, b, c] = [asked(), { ...asked(), memory: true }, asked()].map(
      (request) => ({ ...request, method: "internal" }) as const,
    );
    assert.ok(a && b && c);
    await write(vm, 1);
    await snapshots.create(vm, a);
    await write(vm, 2);
    await compute.start(vm);
    await refuses(snapshots.create(vm, c), "Unsupported", /while the VM runs/);
    await snapshots.create(vm, b);
    await snapshots.create(vm, b);
    await refuses(snapshots.create(vm, asked()), "Conflict", /do not mix/);
    await compute.forceOff(vm);
    assert.deepEqual(
      (await snapshots.list(vm)).map(({ uid, parent, consistency }) => [uid, parent, consistency]),
      [
        [a.uid, undefined, "off"],
        [b.uid, a.uid, "memory"],
      ],
    );
    await snapshots.revert(vm, { uid: a.uid, requestId: "1" });
    await holds(vm, 1);
    await snapshots.revert(vm, { uid: b.uid, requestId: "2" });
    const back = await compute.observe(vm);
    assert.equal(back.kind === "present" && back.power, "running");
    await snapshots.revert(vm, { uid: b.uid, requestId: "2" });
    await compute.forceOff(vm);
    await holds(vm, 2);
    await snapshots.remove(vm, a.uid);
    await snapshots.remove(vm, a.uid);
    await snapshots.remove(vm, b.uid);
    assert.deepEqual(await snapshots.list(vm), []);
    await dismantle(vm);
  });

  rule("what a try left that was cut off is removed, and what was taken and not recorded is found", async () => {
    const vm = await built();
    const request = { ...asked(), memory: true };
    const stray = overlayVolumeName(vm, "root", request);
    await pool.create({ name: stray, format: "qcow2", capacityBytes: 2 ** 20, allocationBytes: 0 });
    const memory = memoryVolumeName(vm, request.uid);
    await pool.create({ name: memory, format: "raw", capacityBytes: 512, allocationBytes: 0 });
    await live.provider.compute.start(vm);
    await snapshots.create(vm, request);
    const [taken] = await snapshots.list(vm);
    assert.ok((taken?.sizeBytes ?? 0) > 2 ** 20);
    // As if the server had ended before it wrote the record.
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    const uri = "https://vivarium.dev/libvirt/snapshots/1";
    await live.libvirt.domainSetMetadata(domain, { type: 2, key: "vivarium-snapshots", uri }, { flags: 3 });
    assert.deepEqual(await snapshots.list(vm), []);
    const second = live.reopen();
    await second.describe();
    await second.snapshots?.create(vm, request);
    const [found] = (await second.snapshots?.list(vm)) ?? [];
    assert.deepEqual([found?.uid, found?.hasMemory, found?.disks], [request.uid, true, ["root"]]);
    // And one that was never recorded goes, too.
    await live.libvirt.domainSetMetadata(domain, { type: 2, key: "vivarium-snapshots", uri }, { flags: 3 });
    await snapshots.remove(vm, request.uid);
    assert.deepEqual(await diskFiles(vm), ["root.qcow2"]);
    assert.ok(!(await pool.names()).includes(memory));
    await dismantle(vm);
  });

  rule("a domain that is defined anew keeps the file that it writes, also when somebody undefined it", async () => {
    const vm = await built();
    await write(vm, 1);
    await snapshots.create(vm, asked());
    await write(vm, 2);
    await live.provider.compute.define(definitionOf(vm));
    await holds(vm, 2);
    await live.provider.compute.undefine(vm);
    await live.provider.compute.define(definitionOf(vm));
    await holds(vm, 2);
    await dismantle(vm);
  });

  rule("files that another's snapshot put onto the disks are refused by name, and kept", async () => {
    const vm = await built();
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    // DISK_ONLY
    await live.libvirt.domainSnapshotCreateXml(
      domain,
      "<domainsnapshot><name>theirs</name><disks><disk name='vda' snapshot='external'/><disk name='vdz' snapshot='no'/></disks></domainsnapshot>",
      { flags: 16 },
    );
    const before = await headOf(vm);
    await refuses(snapshots.create(vm, asked()), "Conflict", /somebody else/);
    await live.provider.compute.define(definitionOf(vm));
    assert.equal(await headOf(vm), before);
    await live.libvirt.domainUndefineFlags(domain, { flags: 2 });
    await refuses(live.provider.disks.remove(vm), "Conflict", /root\.theirs back onto them/);
    await pool.refresh();
    for (const name of await pool.names()) if (name === before.split("/").at(-1)) await pool.delete(name);
    await live.provider.disks.remove(vm);
  });

  async function built(change: Partial<VmDefinition> = {}): Promise<VmIdentity> {
    const vm = live.newVm();
    const { id } = await live.provider.images.import(live.image);
    await live.provider.disks.ensureRoot(vm, { name: "root", imageId: id });
    await live.provider.disks.writeSeed(vm, new Uint8Array(2048));
    await live.provider.compute.define({ ...definitionOf(vm), ...change });
    return vm;
  }

  async function dismantle(vm: VmIdentity): Promise<void> {
    await live.provider.compute.forceOff(vm);
    await live.provider.compute.undefine(vm);
    await live.provider.disks.remove(vm);
    assert.deepEqual(await live.provider.compute.observe(vm), { kind: "absent", volumes: [] });
    const domains = await live.libvirt.connectListAllDomains();
    assert.ok(!domains.some(({ name }) => name === `vivarium-merge-${vm.uid}`));
  }

  async function headOf(vm: VmIdentity): Promise<string> {
    const domain = await live.libvirt.domainLookupByUuid(vm.uid);
    return parseDomainXml(await live.libvirt.domainGetXmlDesc(domain)).disks[0]?.source ?? "";
  }

  /** Fills a block of the disk of a VM that is off. */
  async function write(vm: VmIdentity, mark: number): Promise<void> {
    execFileSync("qemu-io", ["-f", "qcow2", "-c", `write -P ${mark} 64k 64k`, await headOf(vm)], { stdio: "ignore" });
  }

  async function holds(vm: VmIdentity, mark: number): Promise<void> {
    const read = execFileSync("qemu-io", ["-f", "qcow2", "-r", "-c", `read -P ${mark} 64k 64k`, await headOf(vm)]);
    assert.doesNotMatch(String(read), /verification failed/, `the block holds ${mark}`);
  }

  async function diskFiles(vm: VmIdentity): Promise<readonly string[]> {
    await pool.refresh();
    const prefix = `${vm.name}.${vm.uid.slice(0, 8)}.`;
    return (await pool.names())
      .filter((name) => name.startsWith(prefix) && name.endsWith(".qcow2"))
      .map((name) => name.slice(prefix.length));
  }
});

async function refuses(call: Promise<void>, code: "Conflict" | "Unsupported", why: RegExp): Promise<void> {
  await assert.rejects(call, (error) => isProviderError(error, code) && why.test(error.message));
}

function asked(): SnapshotRequest {
  return { uid: randomUUID(), name: "before the change", memory: false, quiesce: "if-possible" };
}

function definitionOf(vm: VmIdentity): VmDefinition {
  return {
    identity: vm,
    cpus: 1,
    memoryBytes: 64 * 2 ** 20,
    firmware: "BIOS",
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    disks: [{ name: "root" }],
    networks: [],
  };
}
