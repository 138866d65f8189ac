// Files of images that rot and vanish: found by reading them, put back from a backup, and a machine upon them boots and reads what it was built
// with. One layer, built once in a real guest.

import assert from "node:assert/strict";
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ImageBuild, VirtualMachine, VMImage } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyImage } from "./support/manifests.ts";
import { tinyLayerGuestImage } from "./support/tiny-layer-guest.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;

const role = `
apiVersion: vivarium.dev/v1alpha1
kind: VMRole
metadata: {name: page}
spec:
  parent: {images: [{name: plain}]}
  files: [{path: /disk/www/page.html, content: "kept\\n"}]
  verify: ["grep -q kept /disk/www/page.html"]
  resources: {cpu: 1, memory: 128Mi}
`;

const machine = `
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: a}
spec: {classRef: {name: tiny}, roleRef: {name: page}, powerState: "Off"}
`;

describe("files of images", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;
  let folder: string;
  let layer: string;

  const pathOf = async (image: string): Promise<string> => {
    const { status } = (await server.get<VMImage>("vmimage", image)) ?? {};
    return status?.providerStatus?.["local"]?.path ?? assert.fail(`${image} is nowhere: ${JSON.stringify(status)}`);
  };
  const backup = () => server.viv(["images", "backup", join(folder, "backup")], { timeoutMs: 120_000 });
  const restore = () => server.viv(["images", "restore", join(folder, "backup")], { timeoutMs: 120_000 });
  const power = (powerState: "On" | "Off") =>
    server.kubectl(["patch", "vm", "a", "--type=merge", "-p", JSON.stringify({ spec: { powerState } })]);

  before(async () => {
    await libvirt.start();
    folder = await mkdtemp(join(tmpdir(), "viv-e2e-images-"));
    server = await VivServer.create();
    await server.start();
    const plain = await tinyImage("plain", `file://${await tinyLayerGuestImage()}`);
    await server.apply([await tinyBase(), plain, role].join("---\n"));
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test("why tells the images of a role before there are any, and when there are", async () => {
    const planned = await server.viv(["images", "why", "role/page"]);
    assert.match(planned.stdout, /page-[0-9a-f]{10} \(role page\): is made when a machine or viv build wants it/);
    await server.apply(machine);
    layer = await eventually(
      "the layer is built, and the machine is made upon it",
      async () => {
        const vm = await server.get<VirtualMachine>("vm", "a");
        const { stdout } = await server.kubectl(["get", "imagebuild", "-o", "json"]);
        const [build] = (JSON.parse(stdout) as { readonly items: readonly ImageBuild[] }).items;
        assert.notEqual(build?.status?.phase, "Failed", JSON.stringify(build?.status));
        return vm?.status?.powerState === "Off" ? vm.spec.imageRef?.name : undefined;
      },
      { timeoutMs: 300_000 },
    );
    const made = await server.viv(["images", "why", "role/page"]);
    assert.match(made.stdout, new RegExp(`${layer} \\(role page\\): Ready[\\s\\S]*plain: Ready`));
  });

  test("a backup copies each file once", async () => {
    const first = await backup();
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.stdout.match(/ Copied /g)?.length, 2, first.stdout);
    const again = await backup();
    assert.equal(again.stdout.match(/ AlreadyThere /g)?.length, 2, again.stdout);
    assert.equal((await readdir(join(folder, "backup", "files"))).length, 2);
  });

  test("the layer is flattened into one file that backs onto nothing", async () => {
    const flat = join(folder, "flat.qcow2");
    const flattened = await server.viv(["images", "flatten", layer, flat], { timeoutMs: 180_000 });
    assert.equal(flattened.code, 0, flattened.stderr);
    assert.match(flattened.stdout, /flat\.qcow2: .* disk of 64\.0 MiB; sha256:[0-9a-f]{64}/);
    const header = (await readFile(flat)).subarray(0, 32);
    assert.equal(header.toString("latin1", 0, 3), "QFI");
    assert.equal(header.readBigUInt64BE(8), 0n, "the offset of the name of a backing file");
    assert.deepEqual(await readdir(folder), ["backup", "flat.qcow2"]);
  });

  test("one file is damaged and one is gone: validate names both, and nothing is built in their place", async () => {
    const file = openSync(await pathOf("plain"), "r+");
    writeSync(file, "rot", 500_000);
    closeSync(file);
    rmSync(await pathOf(layer));
    const validated = await server.viv(["images", "validate"], { timeoutMs: 120_000 });
    assert.equal(validated.code, 1, validated.stderr);
    assert.match(validated.stdout, new RegExp(`${layer} +local +Missing`));
    assert.match(validated.stdout, /plain +local +Damaged/);
    const lost = await eventually("the layer waits to be put back", async () => {
      const { status } = (await server.get<VMImage>("vmimage", layer)) ?? {};
      return status?.message?.includes("put it back with viv images restore") === true ? status : undefined;
    });
    assert.match(lost.message ?? "", /a\.[0-9a-f]{8}\.root\.qcow2 backs onto it/);
  });

  test("restore mends both, the machine boots from them, and nothing is replaced under it", async () => {
    const restored = await restore();
    assert.equal(restored.code, 0, restored.stderr);
    assert.equal(restored.stdout.match(/ Restored /g)?.length, 2, restored.stdout);
    const validated = await server.viv(["images", "validate"], { timeoutMs: 120_000 });
    assert.equal(validated.code, 0, validated.stdout);
    assert.equal((await power("On")).code, 0);
    const ip = await eventually(
      "the machine is up, and has put out what its disk holds",
      async () => {
        const { stdout } = await server.viv(["logs", "a"]);
        const { status } = (await server.get<VirtualMachine>("vm", "a")) ?? {};
        return stdout.includes("TINY-READY") ? status?.ips?.[0] : undefined;
      },
      { timeoutMs: 300_000, everyMs: 2_000 },
    );
    const page = await (await fetch(`http://${ip}/page.html`)).text();
    assert.equal(page, "kept\n");
    const file = openSync(await pathOf("plain"), "r+");
    writeSync(file, "rot", 500_000);
    closeSync(file);
    const refused = await restore();
    assert.equal(refused.code, 8, refused.stdout);
    assert.match(refused.stdout, /plain +local +Failed +Cannot replace image .*: in use by .*a/);
  });
});
