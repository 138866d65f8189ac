// A running guest made into an image and a file by viv, through a server that is killed at each step; and a machine made of that file.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VMExport, type VMImage } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestShell } from "./support/guest-shell.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyImage, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const name = "vvexport-web";
const copy = "vvexport-copy";
const goldenExport = (of: string) => `
apiVersion: vivarium.dev/v1alpha1
kind: VMExport
metadata: {name: ${of}}
spec: {vmRef: {name: ${name}}, target: {imageName: vvexport-golden}, verify: {consoleText: TINY-READY}}
`;
const patient = { timeoutMs: 300_000, everyMs: 250 };

describe("export", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm(name));
    await untilRunning(name);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  async function untilRunning(of: string): Promise<void> {
    await eventually(
      `guest ${of} has an address`,
      async () => {
        const found = await server.get<VirtualMachine>("vm", of);
        return findCondition(found?.status?.conditions, "Ready")?.reason === "Running" ? found : undefined;
      },
      patient,
    );
  }

  async function untilGone(kind: string, of: string): Promise<void> {
    await eventually(
      `${of} is gone`,
      async () => ((await server.get(kind, of)) === undefined ? true : undefined),
      patient,
    );
  }

  /** The server is killed when the export begins a step for the first time, and started again; what it does before it dies is passed over. */
  function killAtEachStep(): { readonly end: () => Promise<ReadonlySet<string>> } {
    const seen = new Set<string>();
    let isDying = false;
    let restarted: Promise<unknown> = Promise.resolve();
    const stop = server.onLog(({ controller, step, phase }) => {
      if (controller !== "vm-export" || phase !== "start" || isDying || typeof step !== "string" || seen.has(step))
        return;
      seen.add(step);
      isDying = true;
      restarted = server
        .kill("SIGKILL")
        .then(() => server.start())
        .finally(() => (isDying = false));
    });
    return {
      end: async () => {
        stop();
        await restarted;
        return seen;
      },
    };
  }

  /** Past the file system, which is not this test's. */
  const lastSector = "$(($(cat /sys/block/vda/size) - 1))";

  test("what a guest wrote is in the image, the guest runs again, and nothing else is left", async (t) => {
    const written = `printf exported | dd of=/dev/vda bs=512 seek=${lastSector} conv=notrunc; sync; echo done`;
    assert.match(await guestShell(server, name, written), /done/);
    const killed = killAtEachStep();
    // Without a look at what comes of it: the server may be gone before it answers.
    const exportName = "vvexport-golden";
    await server.kubectl(["apply", "-f", "-"], { input: goldenExport(exportName) });
    const done = await eventually(
      "the export has ended",
      async () => {
        const found = await server.get<VMExport>("vmexport", exportName);
        return found?.status?.phase === "Succeeded" || found?.status?.phase === "Failed" ? found : undefined;
      },
      patient,
    );
    assert.deepEqual([done.status?.phase, done.status?.consistency], ["Succeeded", "Off"], done.status?.message);
    const kills = await killed.end();
    assert.ok(kills.has("Write") && kills.size >= 5, `killed at ${[...kills].join(", ")}`);
    const verified = findCondition(done.status?.conditions, "Verified");
    assert.deepEqual([verified?.status, verified?.reason], ["True", "Booted"], verified?.message);
    const trial = `verify-${done.metadata.uid?.slice(0, 8)}`;
    assert.deepEqual([await server.get("vm", trial), await server.get("vmimage", trial)], [undefined, undefined]);
    const image = await server.get<VMImage>("vmimage", "vvexport-golden");
    assert.equal(image?.spec.source?.libvirt?.checksum, done.status?.digest);
    assert.deepEqual(await readdir(dirname(done.status?.path ?? "")), [`${done.metadata.uid}.qcow2`]);
    await untilRunning(name);
    await untilGone("vmtemplate", `export-${done.metadata.uid}`);

    const { stdout: operations } = await server.viv(["operations", exportName]);
    assert.match(operations, / Export +vmexport\/vvexport-golden +Succeeded/);

    // Again to a file, over a server that is killed meanwhile; and a machine of that.
    const folder = await mkdtemp(join(tmpdir(), "vvexport-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const ova = join(folder, "web.ova");
    await writeFile(`${ova}.part`, "of a viv that was killed");
    const wished = await server.viv(["export", name, "--file", ova, "--live", "--verify", "digest", "--no-wait"]);
    const [, fileName = ""] = /vmexport\/(\S+): requested/.exec(wished.stdout) ?? [];
    await server.kill("SIGKILL");
    await server.start();
    const fetched = await server.viv(["export", name, "--file", ova, "--take", fileName], patient);
    assert.equal(fetched.code, 0, fetched.stderr);
    const content = await readFile(ova);
    const digest = createHash("sha256").update(content).digest("hex");
    assert.match(fetched.stdout, new RegExp(`ova, ${content.length} bytes; sha256:${digest}`));
    assert.deepEqual(await readdir(folder), ["web.ova"]);
    await untilGone("vmexport", fileName);
    assert.deepEqual(await readdir(dirname(done.status?.path ?? "")), [`${done.metadata.uid}.qcow2`]);
    const taken = await server.viv(["export", name, "--file", ova]);
    assert.match(taken.stderr, /There is a file .* already/);

    await server.apply(await tinyImage("vvexport-ova", `file://${ova}`));
    await server.apply(tinyVm(copy).replace(/imageRef: *\{ *name: *[^ }]+ *\}/, "imageRef: {name: vvexport-ova}"));
    await untilRunning(copy);
    const read = await guestShell(server, copy, `dd if=/dev/vda bs=512 skip=${lastSector} count=1 | head -c 8`);
    assert.match(read, /exported/);

    const again = await server.viv(["export", name, "vvexport-golden", "--live"]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /VMImage of that name already/);
    for (const [kind, of] of [
      ["vm", copy],
      ["vm", name],
      ["vmimage", "vvexport-golden"],
      ["vmimage", "vvexport-ova"],
      ["vmexport", exportName],
    ] as const) {
      await server.kubectl(["delete", kind, of, "--wait=false"]);
      await untilGone(kind, of);
    }
    assert.deepEqual(await readdir(dirname(done.status?.path ?? "")), []);
    const { domains, files } = await inventory();
    assert.deepEqual(
      [...domains, ...files].filter((each) => each.includes("vvexport")),
      [],
    );
  });
});
