// Things happen on the host behind the server's back: QEMU is killed, the disk is full in the middle of a copy, another server works on the
// same libvirt, somebody uses virsh. Afterwards there is one of everything that is declared and nothing of what is not, and the status is true
// within seconds.

import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VMImage } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestPid, inventory, leftovers, meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyImage, tinyVm } from "./support/manifests.ts";
import { tinyGuestImage } from "./support/tiny-guest.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const pool = "/var/lib/libvirt/images/vivarium";
/** Booting without hardware virtualization, on a machine that does other things, takes a while. */
const bootMs = 120_000;

describe("things happen on the host", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;
  let other: VivServer;
  const vm = (name: string, from = server) => from.get<VirtualMachine>("vm", name);
  const readyOf = async (name: string, from = server) =>
    findCondition((await vm(name, from))?.status?.conditions ?? [], "Ready");

  before(async () => {
    await libvirt.start();
    [server, other] = await Promise.all([VivServer.create(), VivServer.create()]);
    await server.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
    await run("umount", ["-l", pool]);
  });

  async function running(name: string, from = server): Promise<void> {
    await eventually(
      `${name} is Ready`,
      async () => ((await readyOf(name, from))?.status === "True" ? true : undefined),
      { timeoutMs: bootMs, everyMs: 250 },
    );
  }

  async function gone(name: string, from = server): Promise<void> {
    await from.kubectl(["delete", "vm", name, "--wait=false"]);
    await eventually(`${name} is gone`, async () => ((await vm(name, from)) === undefined ? true : undefined), {
      timeoutMs: 60_000,
      everyMs: 250,
    });
  }

  async function stopSeen(name: string, method: string): Promise<void> {
    await eventually(
      `the stop of ${name} is seen`,
      async () => ((await vm(name))?.status?.lastStop?.method === method ? true : undefined),
      { timeoutMs: 15_000, everyMs: 50 },
    );
  }

  test("the disk is full in the middle of a copy: said why, nothing half-made is left, and it goes on when there is room", async () => {
    await mkdir(pool, { recursive: true });
    const mounted = await run("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", pool]);
    assert.equal(mounted.code, 0, mounted.stderr);
    await server.apply(await tinyBase());
    await server.apply(tinyVm("vvscr-web"));
    const told = await eventually(
      "the image says that there is no room",
      async () => {
        const image = await server.get<VMImage>("vmimage", "tiny");
        const ready = findCondition(image?.status?.conditions ?? [], "Ready");
        return ready?.status === "False" && ready.message.includes("free") ? ready : undefined;
      },
      { timeoutMs: 60_000, everyMs: 250 },
    );
    assert.match(told.message, /pool "vivarium" has \d+ free/);
    await eventually("what was copied in vain is deleted", async () =>
      (await readdir(pool)).length === 0 ? true : undefined,
    );
    assert.deepEqual((await inventory()).domains, []);
    const grown = await run("mount", ["-o", "remount,size=512m", pool]);
    assert.equal(grown.code, 0, grown.stderr);
    await running("vvscr-web");
  });

  test("QEMU is killed: seen within seconds, and the VM is started again, once", async () => {
    const pid = await guestPid("vvscr-web");
    assert.ok(pid !== undefined);
    process.kill(pid, "SIGKILL");
    await stopSeen("vvscr-web", "Crashed");
    await running("vvscr-web");
    assert.notEqual(await guestPid("vvscr-web"), pid);
    assert.deepEqual((await inventory()).running, ["vvscr-web"]);
  });

  test("virsh suspend and resume are seen, and nothing is done about them", async () => {
    await meddle("suspend", "vvscr-web");
    await eventually("the status says that it is paused", async () => {
      const ready = await readyOf("vvscr-web");
      return ready?.status !== "True" && /paused/i.test(`${ready?.reason} ${ready?.message}`) ? true : undefined;
    });
    await meddle("resume", "vvscr-web");
    await eventually("it is Ready again", async () =>
      (await readyOf("vvscr-web"))?.status === "True" ? true : undefined,
    );
  });

  test("a domain that virsh edits runs as it is, and starts as declared the next time", async () => {
    const xml = (await run("virsh", ["dumpxml", "--inactive", "vvscr-web"])).stdout;
    const file = join(server.stateDirectory, "edited.xml");
    await writeFile(
      file,
      xml.replace(/<memory unit='KiB'>\d+/, "<memory unit='KiB'>262144").replace(/<currentMemory.*\n/, ""),
    );
    await meddle("define", file);
    const pid = await guestPid("vvscr-web");
    assert.equal((await readyOf("vvscr-web"))?.status, "True");
    assert.equal(await guestPid("vvscr-web"), pid);
    await meddle("destroy", "vvscr-web");
    await stopSeen("vvscr-web", "External");
    await running("vvscr-web");
    assert.match((await run("virsh", ["dumpxml", "vvscr-web"])).stdout, /<memory unit='KiB'>131072</);
  });

  test("virsh undefine of a running domain, and its stop: the VM comes back with its own disk", async () => {
    const disks = async () => (await inventory()).files.filter((file) => file.endsWith(".qcow2"));
    const before = await disks();
    await meddle("undefine", "vvscr-web");
    await meddle("destroy", "vvscr-web");
    await eventually(
      "the stop is seen",
      async () => ((await readyOf("vvscr-web"))?.status === "True" ? undefined : true),
      {
        timeoutMs: 15_000,
        everyMs: 50,
      },
    );
    await running("vvscr-web");
    assert.deepEqual(await disks(), before);
    assert.deepEqual((await inventory()).domains, ["vvscr-web"]);
  });

  test("virsh undefine of a running domain, and a delete: nothing is left", async () => {
    await meddle("undefine", "vvscr-web");
    await gone("vvscr-web");
    assert.deepEqual(await leftovers(), []);
  });

  test("two servers on one host: each has its own, neither touches the other's, and one name is one VM's", async () => {
    await other.start();
    await other.apply(await tinyBase());
    await Promise.all([server.apply(tinyVm("vvscr-one")), other.apply(tinyVm("vvscr-two"))]);
    await Promise.all([running("vvscr-one"), running("vvscr-two", other)]);
    await server.apply(tinyVm("vvscr-same"));
    await running("vvscr-same");
    const uid = (await vm("vvscr-same"))?.metadata.uid;
    await other.apply(tinyVm("vvscr-same"));
    const refused = await eventually(
      "the second of that name says whose it is",
      async () => {
        const ready = await readyOf("vvscr-same", other);
        return ready?.reason === "NameConflict" ? ready : undefined;
      },
      { timeoutMs: 60_000 },
    );
    assert.equal(refused.status, "False");
    await gone("vvscr-same", other);
    await gone("vvscr-two", other);
    assert.deepEqual((await inventory()).running.toSorted(), ["vvscr-one", "vvscr-same"]);
    assert.match((await run("virsh", ["domuuid", "vvscr-same"])).stdout, new RegExp(String(uid)));
    // The image is both servers'; what backs onto it keeps it.
    await other.kubectl(["delete", "vmimage", "tiny", "--wait=false"]);
    await meddle("destroy", "vvscr-one");
    await stopSeen("vvscr-one", "External");
    await running("vvscr-one");
    await gone("vvscr-one");
    await gone("vvscr-same");
    assert.deepEqual(await leftovers(), []);
  });

  test("two servers bring one image at the same moment: there is one, and both go on with it", async () => {
    // Other bytes than the image that is there.
    const file = join(server.stateDirectory, "twin.qcow2");
    const made = await run("qemu-img", ["convert", "-c", "-O", "qcow2", await tinyGuestImage(), file]);
    assert.equal(made.code, 0, made.stderr);
    const images = async () => (await readdir(pool)).filter((name) => name.startsWith("image-"));
    const before = await images();
    await Promise.all(
      [server, other].map(async (each, index) => {
        await each.apply(await tinyImage("twin", `file://${file}`));
        await each.apply(tinyVm(`vvscr-twin-${index}`).replace("imageRef: {name: tiny}", "imageRef: {name: twin}"));
      }),
    );
    await Promise.all([running("vvscr-twin-0"), running("vvscr-twin-1", other)]);
    assert.equal((await images()).filter((name) => !before.includes(name)).length, 1);
    await Promise.all([gone("vvscr-twin-0"), gone("vvscr-twin-1", other)]);
    assert.deepEqual(await leftovers(), []);
  });

  test("what users get wrong never counts against the host's health", async () => {
    const wrong: readonly (readonly [string, string])[] = [
      ["vvscr-bad-bridge", "networks: [{name: lan, networkRef: {name: no-bridge}}]"],
      ["vvscr-bad-size", "resources: {memoryMiB: 1048576}"],
      ["vvscr-bad-cpu", "resources: {cpu: 128}, disks: [{name: data, sizeGiB: 65536}]"],
    ];
    await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMNetworkAttachment
metadata: {name: no-bridge}
spec: {network: {libvirt: {bridge: {name: vvscr-none}}}}
`);
    for (const [name, spec] of wrong) await server.apply(tinyVm(name, spec));
    for (const [name] of wrong)
      await eventually(`${name} says what is wrong`, async () => {
        const ready = await readyOf(name);
        return ready?.status === "False" && ready.reason !== "Pending" ? true : undefined;
      });
    await server.apply(tinyVm("vvscr-good"));
    await running("vvscr-good");
    const provider = await server.kubectl(["get", "provider", "local", "-o", "jsonpath={.status.healthy}"]);
    assert.equal(provider.stdout, "true");
    const events = await server.kubectl([
      ...["get", "events", "-o", "jsonpath={.items[*].reason}"],
      ...["--field-selector", "involvedObject.kind=Provider,type=Warning"],
    ]);
    assert.equal(events.stdout, "");
    for (const name of [...wrong.map(([each]) => each), "vvscr-good"]) await gone(name);
    assert.deepEqual(await leftovers(), []);
  });
});
