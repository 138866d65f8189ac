// What a user can get wrong: each answer names the field or the object, nothing is half-made, and what can heal heals by itself.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VMImage } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { inventory, meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { tinyGuestImage } from "./support/tiny-guest.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const group = "infra.virtrigaud.io/v1beta1";

describe("bad input", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const refuse = async (manifest: string, ...args: readonly string[]) => {
    const result = await server.kubectl(["apply", ...args, "-f", "-"], { input: manifest });
    assert.notEqual(result.code, 0, result.stdout);
    return result.stderr;
  };
  const readyOf = async (name: string, reason: string, kind: "vm" | "vmimage" = "vm") =>
    eventually(
      `${kind} ${name} is Ready=False for ${reason}`,
      async () => {
        const found = await server.get<VirtualMachine | VMImage>(kind, name);
        const ready = findCondition(found?.status?.conditions ?? [], "Ready");
        if (ready?.status === "False" && ready.reason === reason) return ready;
        throw new Error(`Ready is ${JSON.stringify(ready)}`);
      },
      { timeoutMs: 40_000 },
    );
  const becomesReady = async (name: string) => {
    const waited = await server.kubectl(["wait", "--for=condition=Ready", `vm/${name}`, "--timeout=90s"], {
      timeoutMs: 100_000,
    });
    assert.equal(waited.code, 0, waited.stderr);
  };
  const remove = (...names: readonly string[]) => server.kubectl(["delete", "vm", ...names, "--wait", "--timeout=60s"]);

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("malformed YAML is refused with the line it is on", async () => {
    const result = await server.viv(["apply", "-f", "-"], { input: "kind: VirtualMachine\nmetadata: {name: [}\n" });
    assert.notEqual(result.code, 0);
    assert.match(result.stderr, /2:/);
  });

  test("an unknown field is refused by name, and accepted with a warning when asked so", async () => {
    const manifest = tinyVm("odd", 'powerState: "Off", colour: red');
    assert.match(await refuse(manifest), /unknown field "spec\.colour"/);
    assert.equal(await server.get("vm", "odd"), undefined);
    const warned = await server.kubectl(["apply", "--validate=warn", "-f", "-"], { input: manifest });
    assert.equal(warned.code, 0, warned.stderr);
    assert.match(warned.stderr, /unknown field "spec\.colour"/);
    await remove("odd");
  });

  test("a bad name and several bad fields are all named in one answer", async () => {
    assert.match(await refuse(tinyVm("Bad_Name")), /metadata\.name/);
    const manifest = `{apiVersion: ${group}, kind: VMClass, metadata: {name: bad}, spec: {cpu: 0, memory: lots, firmware: Coreboot}}`;
    const answer = await refuse(manifest);
    for (const field of ["spec.cpu", "spec.memory", "spec.firmware"]) assert.ok(answer.includes(field), answer);
  });

  test("more memory than the host has is said with both numbers, and nothing is made", async () => {
    await server.apply(tinyVm("huge", "resources: {memoryMiB: 1048576}"));
    const ready = await readyOf("huge", "InvalidSpec");
    assert.match(ready.message, /memory/i);
    assert.deepEqual(await inventory(), { domains: [], running: [], files: [] });
    await remove("huge");
  });

  test("missing class, image, secret and network are all named, and the VM comes up when they appear", async () => {
    await server.apply(`
apiVersion: ${group}
kind: VirtualMachine
metadata: {name: waits}
spec:
  providerRef: {name: local}
  classRef: {name: late-class}
  imageRef: {name: late-image}
  userData: {cloudInit: {secretRef: {name: late-secret}}}
  networks: [{name: lan, networkRef: {name: late-network}}]
`);
    const found = await eventually("all four are named", async () => {
      const ready = findCondition((await server.get<VirtualMachine>("vm", "waits"))?.status?.conditions ?? [], "Ready");
      const names = ["late-class", "late-image", "late-secret", "late-network"];
      return names.every((name) => ready?.message.includes(name)) ? ready : undefined;
    });
    assert.equal(found.status, "False");
    assert.deepEqual((await inventory()).files, []);
    await server.apply(`
apiVersion: ${group}
kind: VMClass
metadata: {name: late-class}
spec: {cpu: 1, memory: 128Mi, diskDefaults: {size: 64Mi}}
---
apiVersion: v1
kind: Secret
metadata: {name: late-secret}
stringData: {userdata: "#cloud-config\\nhostname: late\\n"}
---
apiVersion: ${group}
kind: VMNetworkAttachment
metadata: {name: late-network}
spec: {network: {type: nat, libvirt: {networkName: default}}}
---
apiVersion: ${group}
kind: VMImage
metadata: {name: late-image}
spec: {source: {libvirt: {url: "file://${await tinyGuestImage()}", format: qcow2}}}
`);
    await becomesReady("waits");
    await remove("waits");
  });

  test("invalid user-data is refused before anything is made, with what is wrong in it", async () => {
    await server.apply(tinyVm("ud", 'userData: {cloudInit: {inline: "#cloud-config\\nusers: 7\\nfoo_bar: 1\\n"}}'));
    const ready = await readyOf("ud", "InvalidUserData");
    assert.match(ready.message, /users/);
    assert.deepEqual((await inventory()).files, []);
    await remove("ud");
  });

  test("a domain of that name that is not ours is never touched, also not by delete", async () => {
    const xml =
      "<domain type='qemu'><name>taken</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>";
    await writeFile("/run/libvirt/taken.xml", xml);
    await meddle("define", "/run/libvirt/taken.xml");
    await server.apply(tinyVm("taken"));
    const ready = await readyOf("taken", "NameConflict");
    assert.match(ready.message, /taken/);
    const deleted = await remove("taken");
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.deepEqual(await inventory(), { domains: ["taken"], running: [], files: [] });
    await meddle("undefine", "taken");
  });

  describe("images", () => {
    let http: Server;
    let base: string;
    let cuts = 0;
    before(async () => {
      const image = await tinyGuestImage();
      const bytes = await readFile(image);
      http = createServer((request, response) => {
        if (request.url === "/tiny.qcow2") {
          response.setHeader("content-length", bytes.length);
          createReadStream(image).pipe(response);
        } else if (request.url === "/cut.qcow2") {
          // Always cut at 97 % of what was asked for; ranges are honoured, so that every try gets further.
          cuts++;
          const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
          const rest = bytes.subarray(from);
          response.writeHead(from === 0 ? 200 : 206, {
            "content-length": rest.length,
            "accept-ranges": "bytes",
            etag: '"fixed"',
            "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
          });
          const part = cuts === 1 ? rest.subarray(0, Math.floor(rest.length * 0.97)) : rest;
          response.write(part, () => (part.length === rest.length ? response.end() : response.destroy()));
        } else {
          response.writeHead(404).end();
        }
      });
      await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
      base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    });
    after(() => http.close());

    const image = (name: string, libvirtSource: string) =>
      server.apply(
        `{apiVersion: ${group}, kind: VMImage, metadata: {name: ${name}}, spec: {source: {libvirt: {${libvirtSource}}}}}`,
      );
    const vmOf = (name: string) =>
      server.apply(tinyVm(`vm-${name}`).replace("imageRef: {name: tiny}", `imageRef: {name: ${name}}`));

    test("404 says so on the image and on the VM that waits for it, and a corrected URL heals both", async () => {
      await image("gone", `url: "${base}/nothing.qcow2"`);
      await vmOf("gone");
      const ready = await readyOf("gone", "ImageNotFound", "vmimage");
      assert.match(ready.message, /404/);
      await readyOf("vm-gone", "ImageFailed");
      await image("gone", `url: "${base}/tiny.qcow2"`);
      await becomesReady("vm-gone");
      await remove("vm-gone");
    });

    test("a wrong checksum is refused, and no VM is made from the image", async () => {
      await vmOf("forged");
      await image("forged", `url: "${base}/tiny.qcow2", checksumType: sha256, checksum: "${"0".repeat(64)}"`);
      const ready = await readyOf("forged", "ChecksumMismatch", "vmimage");
      assert.match(ready.message, /0{64}/);
      assert.equal((await inventory()).domains.length, 0);
      await remove("vm-forged");
    });

    test("a download cut at 97 % goes on where it was, and its checksum holds", async () => {
      // Not by sha256: an image of that digest is in the cache already, and would not be fetched again.
      const digest = createHash("sha512")
        .update(await readFile(await tinyGuestImage()))
        .digest("hex");
      await image("cut", `url: "${base}/cut.qcow2", checksumType: sha512, checksum: "${digest}"`);
      await vmOf("cut");
      await becomesReady("vm-cut");
      assert.ok(cuts >= 2);
      await remove("vm-cut");
    });
  });
});
