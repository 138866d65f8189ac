// kill -9 of the server at each step and at random points: afterwards there is exactly one of everything, and after a delete, nothing.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "./support/eventually.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;

/** Steps as the server logs them; each is begun and done in the life of one VM, which has its finalizer from the start. */
const createSteps = ["RecordPlacement", "Check", "EnsureRootDisk", "EnsureDataDisk", "WriteSeed", "Define", "Start"];
const deleteSteps = ["ForceOff", "Undefine", "RemoveVolumes", "ReleaseLeases", "RemoveFinalizer"];
const randomKills = 20;
const seed = Number(process.env.E2E_SEED ?? Date.now() % 1_000_000);

describe("kill -9 of the server", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;
  const manifest = tinyVm("web", "disks: [{name: data, sizeGiB: 1}]");

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    // The image is there before the first kill, so that each kill hits the VM's own steps.
    await server.apply(tinyVm("first"));
    await running("first");
    await server.kubectl(["delete", "vm", "first", "--wait"]);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  async function running(name: string): Promise<void> {
    await eventually(`${name} runs`, async () => ((await inventory()).running.includes(name) ? true : undefined), {
      timeoutMs: 60_000,
    });
  }

  async function assertExactlyOne(): Promise<void> {
    await running("web");
    const { domains, files } = await inventory();
    assert.deepEqual(domains, ["web"]);
    const kinds = files
      .map((file) => file.replace(/^web\.[0-9a-f]{8}\./, ""))
      .filter((kind) => !kind.includes("serial.log"));
    assert.deepEqual(kinds, ["data.qcow2", "root.qcow2", "seed.iso"]);
  }

  async function assertNothing(): Promise<void> {
    await eventually(
      "nothing is left",
      async () => ((await server.get("vm", "web")) === undefined ? true : undefined),
      { timeoutMs: 60_000 },
    );
    assert.deepEqual(await inventory(), { domains: [], running: [], files: [] });
  }

  for (const step of createSteps) {
    for (const phase of ["start", "done"]) {
      test(`at ${step} ${phase}: one domain, one of each disk, one seed; after delete none`, async () => {
        const killed = server.killAt({ controller: "virtual-machine", step, phase });
        await server.kubectl(["apply", "-f", "-"], { input: manifest });
        await killed;
        await server.start();
        await assertExactlyOne();
        await server.kubectl(["delete", "vm", "web", "--wait", "--timeout=60s"], { timeoutMs: 70_000 });
        await assertNothing();
      });
    }
  }

  for (const step of deleteSteps) {
    for (const phase of ["start", "done"]) {
      test(`at ${step} ${phase} of a delete: none is left`, async () => {
        await server.apply(manifest);
        await assertExactlyOne();
        const killed = server.killAt({ controller: "virtual-machine", step, phase });
        await server.kubectl(["delete", "vm", "web", "--wait=false"]);
        await killed;
        await server.start();
        await assertNothing();
      });
    }
  }

  test(`at ${randomKills} random points of create and delete (seed ${seed}): one of everything, then none`, async (context) => {
    const random = seededRandom(seed);
    context.diagnostic(`E2E_SEED=${seed}`);
    for (let round = 0; round < randomKills; round++) {
      const isCreate = round % 2 === 0;
      if (isCreate) await server.apply(manifest);
      else await server.kubectl(["delete", "vm", "web", "--wait=false"]);
      await delay(random() * 1500);
      await server.kill("SIGKILL");
      await server.start();
      if (isCreate) await assertExactlyOne();
      else await assertNothing();
    }
  });
});

/** mulberry32: small, and the same everywhere. */
function seededRandom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
