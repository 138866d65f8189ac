import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { VirtualMachine, VMExport, VMImage, VMSnapshot, VMTemplate } from "@vivarium/api";
import type { VMExportSpec } from "@vivarium/api";
import type { ExportedDisk, ExportedFile, ImageExports } from "@vivarium/images";
import { ImageError } from "@vivarium/images";
import { cloneLab } from "../testing/clone-lab.ts";
import type { CloneLab } from "../testing/clone-lab.ts";
import { headOf } from "../testing/controllers-lab.ts";
import { createVmImageController } from "../vm-image.ts";
import { ScriptedImageCache } from "../testing/scripted-image-cache.ts";
import { createVmExportController } from "./vm-export.ts";

class ScriptedExports implements ImageExports {
  readonly files = new Map<string, { readonly data: string; readonly file: ExportedFile }>();
  readonly failures: Error[] = [];
  writes = 0;

  readonly shapes: unknown[] = [];

  async write(
    id: string,
    { bytes }: ExportedDisk,
    { format, machine }: Parameters<ImageExports["write"]>[2],
  ): Promise<ExportedFile> {
    this.writes += 1;
    this.shapes.push([format, machine]);
    const chunks: Uint8Array[] = [];
    for await (const chunk of bytes) chunks.push(chunk);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const digest = `sha256:${"cd".repeat(32)}`;
    const file: ExportedFile = { path: `/exports/${id}.${format}`, digest, sizeBytes: 10, virtualSizeBytes: 2 ** 30 };
    this.files.set(id, { data: Buffer.concat(chunks).toString(), file });
    return file;
  }

  read(): ReturnType<ImageExports["read"]> {
    return Promise.resolve(undefined);
  }

  remove(id: string): Promise<void> {
    this.files.delete(id);
    return Promise.resolve();
  }
}

interface ExportLab extends CloneLab {
  readonly exports: ScriptedExports;
  readonly imageCache: ScriptedImageCache;
}

async function lab(t: TestContext): Promise<ExportLab> {
  const exports = new ScriptedExports();
  const imageCache = new ScriptedImageCache({ isImmediate: true });
  const base = await cloneLab(t, {}, ({ manager, providers, clock }) => [
    createVmExportController({ manager, providers, imageExports: exports, imageCache, clock }),
    createVmImageController({ manager, registry: providers, imageCache, clock }),
  ]);
  await base.write("web", "what is on it");
  return { ...base, exports, imageCache };
}

function wish({ client }: CloneLab, spec: Partial<VMExportSpec> = {}): Promise<VMExport> {
  return client.create(VMExport, {
    ...headOf(VMExport, "one"),
    spec: { vmRef: { name: "web" }, target: { imageName: "golden" }, verify: { by: "Digest" }, ...spec },
  });
}

const isEnded = ({ status }: VMExport): boolean => status?.phase === "Succeeded" || status?.phase === "Failed";

test("a machine that runs is shut down, copied, started again, and its disk is a VMImage", async (t) => {
  const all = await lab(t);
  const { until, client, exports, untilGone, remove, hypervisor } = all;
  const { metadata } = await wish(all);
  const done = await until(VMExport, "one", isEnded);
  assert.deepEqual(
    [done.status?.phase, done.status?.consistency, done.status?.size, done.status?.image],
    ["Succeeded", "Off", "10", "golden"],
  );
  const { uid = "" } = metadata;
  assert.equal(exports.files.get(uid)?.data, "what is on it");
  const { spec } = await client.get(VMImage, { namespace: "default", name: "golden" });
  assert.deepEqual(spec.source?.libvirt?.url, `file:///exports/${uid}.qcow2`);
  assert.equal(spec.source?.libvirt?.checksum, `sha256:${"cd".repeat(32)}`);
  await until(VirtualMachine, "web", (vm) => vm.spec.powerState === "On" && vm.status?.powerState === "On");
  await untilGone(VMTemplate, `export-${uid}`);
  assert.deepEqual(hypervisor.world.volumesOf(uid), []);
  for (const { metadata: each } of (await client.list(VMSnapshot, { namespace: "default" })).items) {
    await untilGone(VMSnapshot, each.name);
  }
  // The file lasts as long as the image does.
  await client.delete(VMExport, { namespace: "default", name: "one" });
  await until(VMExport, "one", ({ status }) => /delete that first/.test(status?.message ?? ""));
  assert.ok(exports.files.has(uid));
  await remove(VMImage, "golden");
  await untilGone(VMExport, "one");
  assert.equal(exports.files.size, 0);
});

test("with live the machine goes on; when the image goes its file goes", async (t) => {
  const all = await lab(t);
  const { until, exports, remove, hypervisor } = all;
  await wish(all, { live: true });
  const done = await until(VMExport, "one", isEnded);
  assert.deepEqual([done.status?.phase, done.status?.consistency], ["Succeeded", "Crash"]);
  assert.ok(!hypervisor.calls.some(({ method }) => method === "compute.requestShutdown"));
  await remove(VMImage, "golden");
  await until(
    VMExport,
    "one",
    ({ status }) => /deleted since/.test(status?.message ?? "") && status?.path === undefined,
  );
  assert.equal(exports.files.size, 0);
});

test("a file is told of its machine, is kept for a while, and goes with its object", async (t) => {
  const all = await lab(t);
  const { until, exports, remove, clock, client } = all;
  const target = { file: { format: "ova", keepFor: "1h" } } as const;
  const { metadata } = await wish(all, { target });
  const done = await until(VMExport, "one", isEnded);
  assert.deepEqual([done.status?.phase, done.status?.format, done.status?.image], ["Succeeded", "ova", undefined]);
  const machine = { name: "web", cpus: 1, memoryMiB: 1024, firmware: "BIOS", nics: ["default"] };
  assert.deepEqual(exports.shapes, [["ova", machine]]);
  assert.ok(exports.files.has(metadata.uid ?? ""));
  assert.equal((await client.list(VMImage, { namespace: "default" })).items.length, 1);
  await clock.advance(3_600_000);
  await until(VMExport, "one", ({ status }) => status?.conditions?.[0]?.reason === "FileRemoved");
  assert.equal(exports.files.size, 0);
  await remove(VMExport, "one");
  await wish(all, { target });
  await until(VMExport, "one", isEnded);
  await remove(VMExport, "one");
  assert.equal(exports.files.size, 0);
});

test("what cannot be exported is told, nothing is registered or left, and the machine is started again", async (t) => {
  const all = await lab(t);
  const { until, client, exports, remove, hypervisor, untilGone } = all;
  await wish(all, { target: { imageName: "debian" } });
  assert.match((await until(VMExport, "one", isEnded)).status?.message ?? "", /of that name already/);
  await remove(VMExport, "one");
  await wish(all, { vmRef: { name: "nobody" } });
  assert.match((await until(VMExport, "one", isEnded)).status?.message ?? "", /no such VirtualMachine/);
  await remove(VMExport, "one");
  hypervisor.fail("clones.create", { times: 4, code: "NoSpace", message: "the pool is full" });
  await wish(all);
  assert.match((await until(VMExport, "one", isEnded)).status?.message ?? "", /the pool is full/);
  await until(VirtualMachine, "web", (vm) => vm.status?.powerState === "On");
  await remove(VMExport, "one");
  // Tried again, and not for ever.
  exports.failures.push(...Array.from({ length: 4 }, () => new ImageError("DiskFull", "the server's disk is full")));
  const { metadata } = await wish(all);
  const failed = await until(VMExport, "one", isEnded);
  assert.deepEqual([failed.status?.phase, failed.status?.conditions?.[0]?.reason], ["Failed", "DiskFull"]);
  assert.equal(exports.writes, 4);
  await until(VirtualMachine, "web", (vm) => vm.status?.powerState === "On");
  await untilGone(VMTemplate, `export-${metadata.uid ?? ""}`);
  assert.equal(exports.files.size, 0);
  const names = (await client.list(VMImage, { namespace: "default" })).items.map(({ metadata: { name } }) => name);
  assert.deepEqual(names, ["debian"]);
});

test("an export that is deleted while it goes on leaves nothing, and the machine runs", async (t) => {
  const all = await lab(t);
  const { until, exports, remove, hypervisor } = all;
  hypervisor.hang("clones.read");
  await wish(all);
  await until(VMExport, "one", ({ status }) => status?.phase === "Compressing");
  await remove(VMExport, "one");
  await until(VirtualMachine, "web", (vm) => vm.spec.powerState === "On" && vm.status?.powerState === "On");
  assert.equal(exports.files.size, 0);
  assert.equal(exports.writes, 0);
});

test("a machine that is deleted once its disk is copied is exported all the same", async (t) => {
  const all = await lab(t);
  const { until, exports, remove, client, hypervisor, untilGone } = all;
  hypervisor.fail("clones.read", { times: 2, code: "Unavailable", message: "the host is away" });
  const { metadata } = await wish(all, { live: true });
  await until(VMExport, "one", ({ status }) => /host is away/.test(status?.message ?? ""));
  await remove(VirtualMachine, "web");
  const done = await until(VMExport, "one", isEnded);
  assert.equal(done.status?.phase, "Succeeded", done.status?.message);
  assert.equal(exports.files.get(metadata.uid ?? "")?.data, "what is on it");
  await client.get(VMImage, { namespace: "default", name: "golden" });
  await untilGone(VMTemplate, `export-${metadata.uid ?? ""}`);
  assert.equal(hypervisor.world.domains.size, 0);
});

/** The throw-away machine's domain, once there is one. */
async function trialDomain(all: ExportLab) {
  const { metadata } = await all.client.get(VMExport, { namespace: "default", name: "one" });
  const name = `verify-${metadata.uid?.slice(0, 8) ?? ""}`;
  const vm = await all.until(VirtualMachine, name, ({ status }) => status?.powerState === "On");
  return { name, vm, domain: all.hypervisor.world.domains.get(vm.metadata.uid ?? "") ?? assert.fail() };
}

test("what was made is registered when a machine of it has come up, of which nothing is left then", async (t) => {
  for (const comesUp of ["by its serial line", "by its agent"] as const) {
    await t.test(comesUp, async (each) => {
      const all = await lab(each);
      const { until, untilGone, client, hypervisor, imageCache } = all;
      await wish(all, { live: true, verify: { consoleText: "READY" } });
      const { name, vm, domain } = await trialDomain(all);
      assert.deepEqual(
        [vm.spec.networks, vm.spec.resources?.memoryMiB, vm.spec.classRef],
        [[], 1024, { name: "small" }],
      );
      domain.serialLog = "booting";
      await until(VMExport, "one", ({ status }) => status?.phase === "Verifying");
      const names = async () =>
        (await client.list(VMImage, { namespace: "default" })).items.map(({ metadata }) => metadata.name).toSorted();
      assert.deepEqual(await names(), ["debian", name]);
      if (comesUp === "by its agent") domain.agentConnected = true;
      else domain.serialLog = "booting\nTINY-READY";
      const done = await until(VMExport, "one", isEnded);
      assert.equal(done.status?.phase, "Succeeded", done.status?.message);
      const verified = done.status?.conditions?.find(({ type }) => type === "Verified");
      assert.deepEqual([verified?.status, verified?.reason], ["True", "Booted"]);
      assert.match(verified?.message ?? "", comesUp === "by its agent" ? /agent answered/ : /serial line said "READY"/);
      await untilGone(VirtualMachine, name);
      assert.deepEqual(await names(), ["debian", "golden"]);
      assert.equal(hypervisor.world.domains.get(vm.metadata.uid ?? ""), undefined);
      // The image that is registered is read from the same.
      assert.deepEqual(imageCache.forgotten, []);
    });
  }
});

test("what does not come up, or goes off, is neither registered nor kept, and the reason is told", async (t) => {
  const all = await lab(t);
  const { until, untilGone, client, exports, hypervisor, imageCache, remove } = all;
  await wish(all, { live: true, verify: { timeout: "30s" } });
  const { name } = await trialDomain(all);
  const late = await until(VMExport, "one", isEnded);
  assert.deepEqual([late.status?.phase, late.status?.path], ["Failed", undefined]);
  assert.match(late.status?.message ?? "", /did not come up within 30 s/);
  const verified = late.status?.conditions?.find(({ type }) => type === "Verified");
  assert.deepEqual([verified?.status, verified?.reason], ["False", "BootTimeout"]);
  await untilGone(VirtualMachine, name);
  await untilGone(VMImage, name);
  assert.deepEqual([exports.files.size, imageCache.forgotten.length], [0, 1]);
  await remove(VMExport, "one");

  await wish(all, { live: true, target: { file: { format: "raw" } }, verify: {} });
  const { vm, name: second } = await trialDomain(all);
  hypervisor.stopFromOutside(vm.metadata.uid ?? "", "crashed");
  const broken = await until(VMExport, "one", isEnded);
  assert.match(broken.status?.message ?? "", /went off before it was up/);
  await untilGone(VMImage, second);
  assert.equal(exports.files.size, 0);
  const { items } = await client.list(VMImage, { namespace: "default" });
  assert.deepEqual(
    items.map(({ metadata }) => metadata.name),
    ["debian"],
  );
  await until(VirtualMachine, "web", (machine) => machine.status?.powerState === "On");
});

test("an export that is deleted while its machine boots leaves nothing", async (t) => {
  const all = await lab(t);
  const { exports, remove, client, imageCache } = all;
  await wish(all, { live: true, verify: {} });
  const { name } = await trialDomain(all);
  await remove(VMExport, "one");
  const left = [...(await client.list(VirtualMachine)).items, ...(await client.list(VMImage)).items];
  assert.deepEqual(left.map(({ metadata }) => metadata.name).toSorted(), ["debian", "web"], name);
  assert.deepEqual([exports.files.size, imageCache.forgotten.length > 0], [0, true]);
});
