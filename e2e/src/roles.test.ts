// A role that two machines want at once: its layer is built once in a real guest, both are cloned from it, and it is not built again.

import assert from "node:assert/strict";
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
  files: [{path: /disk/www/page.html, content: "made by a role\\n"}]
  commands: ["echo and a command >>/disk/www/page.html"]
  verify: ["grep -q command /disk/www/page.html"]
  resources: {cpu: 1, memory: 128Mi}
`;

const machine = (name: string) => `
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata: {name: ${name}}
spec: {classRef: {name: tiny}, roleRef: {name: page}, lifecycle: {gracefulShutdownTimeout: 20s}}
`;

describe("a role", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const all = async <T>(kind: string): Promise<readonly T[]> => {
    const { stdout } = await server.kubectl(["get", kind, "-o", "json"]);
    return (JSON.parse(stdout) as { readonly items: readonly T[] }).items;
  };

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    const plain = await tinyImage("plain", `file://${await tinyLayerGuestImage()}`);
    await server.apply([await tinyBase(), plain, role].join("---\n"));
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("two machines of it get one build, in a guest that says what it does, and what it made", async () => {
    await server.apply([machine("a"), machine("b")].join("---\n"));
    const image = await eventually(
      "the role has an image",
      async () => (await all<VMImage>("vmimage")).find(({ spec }) => spec.source?.layer?.role === "page"),
      { timeoutMs: 60_000 },
    );
    const build = await eventually(
      "the layer is built",
      async () => {
        const found = (await all<ImageBuild>("imagebuild"))[0];
        assert.notEqual(found?.status?.phase, "Failed", JSON.stringify(found?.status));
        return found?.status?.phase === "Succeeded" ? found : undefined;
      },
      { timeoutMs: 240_000 },
    );
    for (const name of ["a", "b"]) {
      const vm = await eventually(
        `VM ${name} has an address`,
        async () => {
          const found = await server.get<VirtualMachine>("vm", name);
          return found?.status?.ips?.[0] === undefined ? undefined : found;
        },
        { timeoutMs: 180_000 },
      );
      const page = await eventually(
        `VM ${name} serves what the role put into its image`,
        async () => {
          // It serves before its disk is there, and while the page is copied from it.
          const answer = await fetch(`http://${vm.status?.ips?.[0] ?? ""}/page.html`).catch(() => undefined);
          const text = answer?.ok === true ? await answer.text() : "";
          return text === "" ? undefined : text;
        },
        // Each answer is a process of a small guest that has other things to do.
        { timeoutMs: 120_000, everyMs: 1_000 },
      );
      assert.equal(page, "made by a role\nand a command\n");
    }
    assert.equal((await all<ImageBuild>("imagebuild")).length, 1);
    const log = await server.viv(["builds", "logs", build.metadata.name]);
    assert.match(log.stdout, /VIVARIUM-BUILD .* step 4\/4 clean[\s\S]*done/);
    const why = await server.viv(["images", "why", "a"]);
    assert.match(why.stdout, new RegExp(`${image.metadata.name} \\(role page\\): Ready[\\s\\S]*plain: Ready`));
    const refused = await server.kubectl(["delete", "vmimage", "plain", "--wait=false"]);
    assert.equal(refused.code, 0, refused.stderr);
    await eventually("the plain image stays, for a layer is upon it", async () => {
      const message = (await server.get<VMImage>("vmimage", "plain"))?.status?.message ?? "";
      return message.startsWith("Cannot be deleted") ? true : undefined;
    });
  });

  test("a recipe that fails says which command, and what it printed", async () => {
    await server.apply(
      role
        .replace("name: page}", "name: broken}")
        .replace("{name: plain}", "{name: tiny-two}")
        .replace("echo and", "echo told; false; echo and") +
        (await tinyImage("tiny-two", `file://${await tinyLayerGuestImage()}`)).replace(/^/, "---"),
    );
    const built = await server.viv(["build", "broken", "--timeout", "240s"], { timeoutMs: 250_000 });
    assert.equal(built.code, 1, built.stderr);
    assert.match(built.stderr, /run echo told; false.*exit status 1; last it said: told/);
  });
});
