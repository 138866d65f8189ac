// The link to libvirtd fails in every way that a link does: an answer is lost after the change was made, both sides fall silent, the daemon is
// frozen for a minute, events are lost. Afterwards there is one of everything that is declared and nothing of what is not, and the status is
// true within seconds.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { findCondition, type Provider, type VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestPid, inventory, leftovers, meddle } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { change, LibvirtRelay } from "./support/libvirt-relay.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const relaySocket = "/run/libvirt/relay-sock";
/** Booting without hardware virtualization, on a machine that does other things, takes a while. */
const bootMs = 120_000;
/** From a fault to a true status: three silent intervals of the keepalive, and a moment. */
const noticedMs = 30_000;

describe("the link to libvirtd fails", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let relay: LibvirtRelay;
  let server: VivServer;
  const vm = (name: string) => server.get<VirtualMachine>("vm", name);
  const readyOf = async (name: string) => findCondition((await vm(name))?.status?.conditions ?? [], "Ready");

  before(async () => {
    await libvirt.start();
    await rm(relaySocket, { force: true });
    relay = await LibvirtRelay.start(relaySocket);
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase({ endpoint: relay.endpoint }));
    // The image is there before the first fault, so that each hits the VM's own calls.
    await server.apply(tinyVm("vvscr-first"));
    await running("vvscr-first");
    await remove("vvscr-first");
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await relay[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });
  afterEach(() => {
    relay.isDeaf = false;
  });

  async function running(...names: readonly string[]): Promise<void> {
    for (const name of names)
      await eventually(`${name} is Ready`, async () => ((await readyOf(name))?.status === "True" ? true : undefined), {
        timeoutMs: bootMs,
        everyMs: 250,
      });
  }

  async function remove(...names: readonly string[]): Promise<void> {
    await server.kubectl(["delete", "vm", ...names, "--wait=false"]);
    for (const name of names)
      await eventually(`${name} is gone`, async () => ((await vm(name)) === undefined ? true : undefined), {
        timeoutMs: 60_000,
        everyMs: 250,
      });
    assert.deepEqual(await leftovers(), []);
  }

  async function healthy(wanted: boolean): Promise<void> {
    await eventually(
      `the provider is ${wanted ? "" : "un"}healthy`,
      async () => ((await server.get<Provider>("provider", "local"))?.status?.healthy === wanted ? true : undefined),
      { timeoutMs: noticedMs, everyMs: 250 },
    );
  }

  /** Just these, each with one disk of each name and one seed. */
  async function assertOneOfEach(...names: readonly string[]): Promise<void> {
    const { domains, files } = await inventory();
    assert.deepEqual(domains.toSorted(), [...names].toSorted());
    const kinds = files
      .filter((file) => !file.includes("serial.log"))
      .map((file) => file.replace(/\.[0-9a-f]{8}\./, "/"));
    const wanted = names.flatMap((name) => ["data.qcow2", "root.qcow2", "seed.iso"].map((file) => `${name}/${file}`));
    assert.deepEqual(kinds.toSorted(), wanted.toSorted());
  }

  const withData = (name: string, spec = "") =>
    tinyVm(name, `disks: [{name: data, sizeGiB: 1}]${spec === "" ? "" : `, ${spec}`}`);

  for (const call of [
    "storageVolCreateXml",
    "storageVolUpload",
    "domainDefineXmlFlags",
    "domainCreateWithFlags",
  ] as const) {
    test(`the answer to ${call} is lost: one of everything`, async () => {
      const lost = relay.loseAnswer(change[call]);
      await server.apply(withData("vvscr-web"));
      await lost;
      await running("vvscr-web");
      await assertOneOfEach("vvscr-web");
      await remove("vvscr-web");
    });
  }

  for (const call of ["domainDestroyFlags", "domainUndefineFlags", "storageVolDelete"] as const) {
    test(`the answer to ${call} is lost: nothing is left`, async () => {
      await server.apply(withData("vvscr-web"));
      await running("vvscr-web");
      const lost = relay.loseAnswer(change[call]);
      const removed = remove("vvscr-web");
      await lost;
      await removed;
    });
  }

  test(
    "the answer to domainUndefineFlags of a UEFI VM is lost: no firmware variables are left",
    { skip: existsSync("/usr/share/OVMF") ? false : "SKIPPED: no UEFI firmware (package ovmf) on this machine" },
    async () => {
      await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {name: uefi}
spec: {cpu: 1, memory: 128Mi, firmware: UEFI}
`);
      await server.apply(tinyVm("vvscr-uefi").replace("classRef: {name: tiny}", "classRef: {name: uefi}"));
      // Its disk is for a BIOS: that it runs is all that there is to see.
      await eventually(
        "the domain runs and has variables",
        async () => ((await leftovers()).some((left) => left.endsWith("_VARS.fd")) ? true : undefined),
        { timeoutMs: bootMs, everyMs: 250 },
      );
      const lost = relay.loseAnswer(change.domainUndefineFlags);
      const removed = remove("vvscr-uefi");
      await lost;
      await removed;
    },
  );

  test("answers lost one after the other: still one of everything, then nothing", async () => {
    const lost = [change.storageVolCreateXml, change.storageVolCreateXml, change.domainDefineXmlFlags].map((call) =>
      relay.loseAnswer(call),
    );
    await server.apply(withData("vvscr-web"));
    await Promise.all(lost);
    await running("vvscr-web");
    await assertOneOfEach("vvscr-web");
    await remove("vvscr-web");
  });

  test("both sides fall silent: the status says so, the guest goes on, and all is well when there is a way again", async () => {
    await server.apply(withData("vvscr-web"));
    await running("vvscr-web");
    const pid = await guestPid("vvscr-web");
    relay.fallSilent();
    await healthy(false);
    await eventually("Ready is unknown", async () =>
      (await readyOf("vvscr-web"))?.status === "Unknown" ? true : undefined,
    );
    await server.apply(withData("vvscr-other"));
    relay.speak();
    await healthy(true);
    await running("vvscr-web", "vvscr-other");
    assert.equal(await guestPid("vvscr-web"), pid, "the guest was started anew");
    await assertOneOfEach("vvscr-web", "vvscr-other");
    await remove("vvscr-web", "vvscr-other");
  });

  test("libvirtd is frozen for 60 s under a running VM, one that is made and one that is deleted", async () => {
    await server.apply(withData("vvscr-web"));
    await server.apply(withData("vvscr-old"));
    await running("vvscr-web", "vvscr-old");
    const pid = await guestPid("vvscr-web");
    const frozen = delay(60_000);
    libvirt.signal("SIGSTOP");
    try {
      await server.apply(withData("vvscr-new"));
      await server.kubectl(["delete", "vm", "vvscr-old", "--wait=false"]);
      await healthy(false);
      await eventually("Ready is unknown", async () =>
        (await readyOf("vvscr-web"))?.status === "Unknown" ? true : undefined,
      );
      await frozen;
    } finally {
      libvirt.signal("SIGCONT");
    }
    await healthy(true);
    await running("vvscr-web", "vvscr-new");
    await eventually(
      "the deleted one is gone",
      async () => ((await vm("vvscr-old")) === undefined ? true : undefined),
      {
        timeoutMs: 60_000,
      },
    );
    assert.equal(await guestPid("vvscr-web"), pid, "the guest was started anew");
    await assertOneOfEach("vvscr-web", "vvscr-new");
    await remove("vvscr-web", "vvscr-new");
  });

  test("events are lost: a stop is seen within seconds all the same, and so is what comes after", async () => {
    await server.apply(withData("vvscr-web"));
    await running("vvscr-web");
    relay.isDeaf = true;
    await meddle("destroy", "vvscr-web");
    await eventually(
      "the stop is seen",
      async () => ((await vm("vvscr-web"))?.status?.lastStop?.method === "External" ? true : undefined),
      { timeoutMs: 15_000, everyMs: 100 },
    );
    await running("vvscr-web");
    await remove("vvscr-web");
  });
});
