// Migration between two real libvirtds: live and offline, with disks copied and shared, given up, and with the server killed in the middle.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { findCondition, type Host, type VirtualMachine, type VMMigration } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { virsh } from "./support/foreign-domain.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyImage, tinyVm } from "./support/manifests.ts";
import { SecondHost } from "./support/second-host.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const slow = { timeoutMs: 240_000 };
const group = "infra.virtrigaud.io/v1beta1";
const here = "qemu:///system";
const guest = "vvmig-guest";

describe("migration", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  const work = process.env["E2E_HOST_DIR"] ?? "/nowhere";
  const second = new SecondHost("kvm2", join(work, "kvm2"));
  let server: VivServer;

  const vm = (name: string) => server.get<VirtualMachine>("vm", name);
  const isReady = (object: VirtualMachine | Host | undefined) =>
    findCondition(object?.status?.conditions, "Ready")?.status === "True";
  const untilVm = (name: string, host: string) =>
    eventually(
      `${name} is Ready on ${host}`,
      async () => {
        const found = await vm(name);
        return isReady(found) && found?.status?.host === host && found.status.moving === undefined ? found : undefined;
      },
      slow,
    );
  const untilPhase = (name: string, phase: string) =>
    eventually(
      `${name} is ${phase}`,
      async () => {
        const found = await server.get<VMMigration>("vmmigration", name);
        return found?.status?.phase === phase ? found.status : undefined;
      },
      slow,
    );
  const untilMoving = (name: string) =>
    eventually(`${name} moves`, async () => ((await vm(name))?.status?.moving === undefined ? undefined : true), slow);
  /** Of both hosts, each with what libvirt says of it. */
  const domains = async (name: string) => {
    const found: string[] = [];
    for (const [host, uri] of [
      ["kvm1", here],
      ["kvm2", second.endpoint],
    ] as const) {
      const names = (await virsh(["list", "--all", "--name"], uri)).split("\n");
      if (names.includes(name)) found.push(`${host}: ${(await virsh(["domstate", "--reason", name], uri)).trim()}`);
    }
    return found;
  };
  const migration = (name: string, spec: { readonly vm?: string; readonly to: string; readonly options?: string }) => `
apiVersion: ${group}
kind: VMMigration
metadata: {name: ${name}}
spec:
  source: {vmRef: {name: ${spec.vm ?? guest}}}
  target: {host: ${spec.to}}
  options: {${spec.options ?? ""}}
`;

  before(async () => {
    await libvirt.start();
    await second.start();
    server = await VivServer.create();
    await server.start();
    const folder = join(work, "shared");
    await mkdir(folder, { recursive: true });
    for (const uri of [here, second.endpoint]) {
      await virsh(["pool-define-as", "vvmig-shared", "dir", "--target", folder], uri);
      await virsh(["pool-start", "vvmig-shared"], uri);
    }
    const hosts = (prefix: string) => `
    - {name: ${prefix}kvm1, endpoint: "${here}", migrationAddress: 10.99.0.1}
    - {name: ${prefix}kvm2, endpoint: "${second.endpoint}"}`;
    await server.apply(`
apiVersion: ${group}
kind: Provider
metadata: {name: local}
spec:
  type: libvirt
  hosts:${hosts("")}
---
apiVersion: ${group}
kind: Provider
metadata: {name: shared}
spec:
  type: libvirt
  defaults: {datastore: vvmig-shared}
  hosts:${hosts("s")}
---
apiVersion: ${group}
kind: VMClass
metadata: {name: tiny}
spec: {cpu: 1, memory: 128Mi, diskDefaults: {size: 64Mi}}
---
${await tinyImage("tiny")}`);
    await eventually(
      "the hosts are Ready",
      async () => {
        const found = await Promise.all(
          ["kvm1", "kvm2", "skvm1", "skvm2"].map((name) => server.get<Host>("host", name)),
        );
        return found.every(isReady) ? true : undefined;
      },
      slow,
    );
    await server.apply(tinyVm(guest, "networks: [{name: lan}], disks: [{name: data, sizeGiB: 1}]"));
    await eventually(`${guest} is Ready`, async () => (isReady(await vm(guest)) ? true : undefined), slow);
    await eventually(
      "the guest is up",
      async () => ((await server.viv(["logs", guest])).stdout.includes("TINY-READY") ? true : undefined),
      slow,
    );
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  /** The other one of the two. */
  const other = async (): Promise<string> => ((await vm(guest))?.status?.host === "kvm1" ? "kvm2" : "kvm1");

  test("what stands in the way is told at once, and nothing is touched", async () => {
    const before = await domains(guest);
    const to = await other();
    const from = to === "kvm1" ? "kvm2" : "kvm1";
    const refused = await server.viv(["migrate", guest, "--to", to, "--no-copy-storage"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /nothing was moved\n\s+StorageDiffers: host .* does not see its disks/);
    assert.match((await server.viv(["migrate", guest, "--to", "nowhere"])).stderr, /HostUnknown: .*it has kvm1, kvm2/);
    assert.match((await server.viv(["migrate", guest, "--to", from])).stdout, /was on host "kvm\d" already/);
    assert.deepEqual(await domains(guest), before);
  });

  test("viv migrate moves a running VM with its disks to the other host; it is the same guest, and nothing is left behind", async () => {
    const to = await other();
    const pool = async (uri: string) => (await virsh(["vol-list", "vivarium"], uri)).includes(guest);
    const moved = await server.viv(["migrate", guest, "--to", to, "--live"], slow);
    assert.equal(moved.code, 0, moved.stderr);
    assert.match(moved.stdout, new RegExp(`vm/${guest}: the machine is on host "${to}"; it stood still for \\d+ms`));
    await untilVm(guest, to);
    assert.deepEqual(await domains(guest), [`${to}: running (migrated)`]);
    assert.deepEqual([await pool(here), await pool(second.endpoint)], [to === "kvm1", to === "kvm2"]);
    const table = await server.kubectl(["get", "vmmig", "-o", "wide"]);
    assert.match(table.stdout, /Ready\s+100\s.*Live\s+Copied\s+\d+ms/);
  });

  test("a move that is given up leaves the VM where it was, running", async () => {
    const to = await other();
    await server.apply(migration("vvmig-slow", { to, options: "maxBandwidth: 1Mi" }));
    await untilMoving(guest);
    await eventually(
      "there is progress",
      async () => {
        const found = await server.get<VMMigration>("vmmigration", "vvmig-slow");
        return (found?.status?.progress?.transferredBytes ?? 0) > 0 ? true : undefined;
      },
      slow,
    );
    const cancelled = await server.viv(["migrate", guest, "--cancel"], slow);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    await untilPhase("vvmig-slow", "Cancelled");
    const from = to === "kvm1" ? "kvm2" : "kvm1";
    await untilVm(guest, from);
    const [only, ...rest] = await domains(guest);
    assert.deepEqual(rest, []);
    assert.match(only ?? "", new RegExp(`^${from}: running`));
  });

  for (const waitMs of [0, 3_000]) {
    test(`the server is killed ${waitMs} ms into a move: there is one guest at every moment, and the move is made`, async () => {
      const to = await other();
      const name = `vvmig-kill-${waitMs}`;
      await server.apply(migration(name, { to, options: "maxBandwidth: 20Mi" }));
      await untilMoving(guest);
      await delay(waitMs);
      await server.kill("SIGKILL");
      const running = (await domains(guest)).filter((each) => each.includes("running"));
      assert.ok(running.length <= 1, running.join());
      await server.start();
      await untilPhase(name, "Ready");
      await untilVm(guest, to);
      assert.deepEqual(await domains(guest), [`${to}: running (migrated)`]);
    });
  }

  test("offline: the guest is shut down, moved and started on the other host", async () => {
    const to = await other();
    const moved = await server.viv(["migrate", guest, "--to", to, "--offline"], slow);
    assert.equal(moved.code, 0, moved.stderr);
    const { status } = await untilVm(guest, to);
    assert.deepEqual(await domains(guest), [`${to}: running (booted)`]);
    assert.equal(status?.lastStop?.method, "Graceful");
  });

  test(
    "offline, with UEFI: what its firmware remembers goes along",
    { skip: existsSync("/usr/share/OVMF") ? false : "SKIPPED: no UEFI firmware (package ovmf) on this machine" },
    async () => {
      const name = "vvmig-uefi";
      await server.apply(`
apiVersion: ${group}
kind: VMClass
metadata: {name: uefi}
spec: {cpu: 1, memory: 128Mi, firmware: UEFI, diskDefaults: {size: 64Mi}}
---${tinyVm(name).replace("{name: tiny}", "{name: uefi}")}`);
      const isPowered = (state: string) =>
        eventually(
          `${name} is ${state}`,
          async () => {
            const found = await vm(name);
            return found?.status?.powerState === state ? found : undefined;
          },
          slow,
        );
      // Its first start makes the file.
      const from = (await isPowered("On")).status?.host;
      assert.equal((await server.viv(["stop", "--force", name], slow)).code, 0);
      const to = from === "kvm1" ? "kvm2" : "kvm1";
      const on = (host: string | undefined) =>
        join(host === "kvm1" ? "/var/lib/libvirt" : join(work, "kvm2", "lib"), `qemu/nvram/${name}_VARS.fd`);
      const bytes = await readFile(on(from));
      bytes.write("vvmig", bytes.length - 16);
      await writeFile(on(from), bytes);
      const moved = await server.viv(["migrate", name, "--to", to], slow);
      assert.equal(moved.code, 0, moved.stderr);
      assert.ok(bytes.equals(await readFile(on(to))));
      assert.equal(existsSync(on(from)), false);
      assert.equal((await server.viv(["start", "--no-wait", name])).code, 0);
      await isPowered("On");
      assert.deepEqual(await domains(name), [`${to}: running (booted)`]);
      assert.equal((await server.viv(["delete", "vm", name, "--yes"], slow)).code, 0);
      assert.equal(existsSync(on(to)), false);
    },
  );

  test("to another Provider: a new VM is made of copies, whose checksums are compared, and the source stays", async () => {
    await server.apply(`
apiVersion: ${group}
kind: Provider
metadata: {name: far}
spec: {type: libvirt, endpoint: "${second.endpoint}"}
---
apiVersion: ${group}
kind: VMMigration
metadata: {name: vvmig-far}
spec:
  source: {vmRef: {name: ${guest}}, providerRef: {name: local}}
  target: {name: vvmig-far, providerRef: {name: far}, powerOn: true}
  storage: {type: pvc}
  options: {verifyChecksums: true}
`);
    const ended = await untilPhase("vvmig-far", "Ready");
    assert.deepEqual(ended?.disks?.map(({ name }) => name).toSorted(), ["data", "root"]);
    for (const { checksum, sizeBytes } of ended?.disks ?? []) {
      assert.match(checksum ?? "", /^sha256:[0-9a-f]{64}$/);
      assert.ok(sizeBytes > 0);
    }
    assert.match(await virsh(["domstate", "vvmig-far"], second.endpoint), /running/);
    assert.equal((await domains(guest)).length, 1);
    await eventually(
      "the snapshot of the way is gone",
      async () =>
        (await server.kubectl(["get", "vmsnapshots", "-o", "name"])).stdout.trim() === "" ? true : undefined,
      slow,
    );
    assert.equal((await server.viv(["delete", "vm", "vvmig-far", "--yes"], slow)).code, 0);
  });

  test("on storage that both hosts have, only the memory is moved, and the disks stay", async () => {
    const name = "vvmig-shared";
    await server.apply(tinyVm(name).replace("{name: local}", "{name: shared}"));
    const { status } = await eventually(
      `${name} runs`,
      async () => {
        const found = await vm(name);
        return found?.status?.powerState === "On" ? found : undefined;
      },
      slow,
    );
    const to = status?.host === "skvm1" ? "skvm2" : "skvm1";
    // As a server leaves it that dies while it looks whether the hosts see the same files.
    const leftOver = join(work, "shared", "vivarium-probe-vvmig.raw");
    await writeFile(leftOver, "");
    await utimes(leftOver, 0, 0);
    for (const uri of [here, second.endpoint]) await virsh(["pool-refresh", "vvmig-shared"], uri);
    await server.apply(migration("vvmig-shared-live", { vm: name, to }));
    const ended = await untilPhase("vvmig-shared-live", "Ready");
    assert.deepEqual([ended?.mode, ended?.storage], ["Live", "Shared"]);
    assert.equal((await vm(name))?.status?.host, to);
    assert.deepEqual(await domains(name), [`${to.slice(1)}: running (migrated)`]);
    assert.match(await virsh(["vol-list", "vvmig-shared"], here), new RegExp(name));
    assert.deepEqual(
      (await readdir(join(work, "shared"))).filter((file) => file.startsWith("vivarium-probe")),
      [],
    );
  });

  test("a moved VM is deleted where it is, and leaves nothing on either host", async () => {
    const deleted = await server.viv(["delete", "vm", guest, "vvmig-shared", "--yes"], slow);
    assert.equal(deleted.code, 0, deleted.stderr);
    for (const uri of [here, second.endpoint]) {
      assert.doesNotMatch(await virsh(["list", "--all", "--name"], uri), /vvmig/);
      assert.doesNotMatch(await virsh(["vol-list", "vivarium"], uri), /vvmig/);
    }
    // What the other host removed this one does not know yet.
    await virsh(["pool-refresh", "vvmig-shared"], here);
    assert.doesNotMatch(await virsh(["vol-list", "vvmig-shared"], here), /vvmig-(guest|shared)/);
  });
});
