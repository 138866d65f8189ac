// One VM paused, suspended to disk, rebooted, reset, protected, grown while it runs, and crashed. Real libvirtd, real guest, real kubectl; the guest itself says what
// became of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { VirtualMachine } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const name = "vvcomp-web";
const slow = { timeoutMs: 120_000 };

type Status = VirtualMachine["status"];
const sizeOf = (status: Status) =>
  `${status?.currentResources?.cpu ?? 0} CPUs, ${status?.currentResources?.memoryMiB ?? 0} MiB`;
const pending = (status: Status) => status?.conditions?.find(({ type }) => type === "ReconfigurePendingPowerCycle");

describe("what a VM does besides going on and off", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const vm = () => server.get<VirtualMachine>("vm", name);
  const patch = async (body: object) => {
    const patched = await server.kubectl(["patch", "vm", name, "--type", "merge", "-p", JSON.stringify(body)]);
    assert.equal(patched.code, 0, patched.stderr);
  };
  const until = (what: string, isSo: (found: VirtualMachine) => boolean) =>
    eventually(
      what,
      async () => {
        const found = await vm();
        return found !== undefined && isSo(found) ? found : undefined;
      },
      slow,
    );
  const viv = async (...args: readonly string[]) => {
    const done = await server.viv([...args, "--timeout", "120s"], { timeoutMs: 130_000 });
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  const state = async () => (await run("virsh", ["-q", "domstate", name, "--reason"])).stdout.trim();
  const savedDomains = async () =>
    (await run("virsh", ["-q", "list", "--all", "--name", "--with-managed-save"])).stdout;

  /** Lines of `name value` that the guest tells of itself. */
  const machine = () =>
    eventually(
      "the guest answers",
      async () => {
        const ip = (await vm())?.status?.ips?.[0];
        if (ip === undefined) return undefined;
        const answer = await fetch(`http://${ip}/cgi-bin/machine`, { signal: AbortSignal.timeout(10_000) });
        const lines = (await answer.text()).trim().split("\n");
        return new Map(lines.map((line) => [line.split(" ")[0] ?? "", line.split(" ").slice(1).join(" ")]));
      },
      slow,
    );
  const bootId = async () => (await machine()).get("boot");
  const facts = async () => {
    const told = await machine();
    return { boot: told.get("boot"), cpus: Number(told.get("cpus")), memoryKib: Number(told.get("memory")) };
  };

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm(name));
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("a VM that is declared Paused is paused, and goes on where it was", async () => {
    const boot = await bootId();
    await patch({ spec: { powerState: "Paused" } });
    const paused = await until("Paused", ({ status }) => status?.phase === "Paused");
    assert.equal(paused.status?.powerState, "Paused");
    assert.match(await state(), /^paused/);
    await server.kill("SIGKILL");
    await server.start();
    assert.equal(await viv("resume", name), `vm/${name}: running\n`);
    assert.equal(await bootId(), boot);
  });

  test("a suspended VM survives libvirtd and the server, and goes on where it was", async () => {
    const boot = await bootId();
    assert.match(await viv("suspend", name), /memory is saved to disk/);
    assert.match(await state(), /^shut off/);
    const table = await server.kubectl(["get", "vm", name]);
    assert.match(table.stdout, /Suspended/);
    await server.kill("SIGKILL");
    await libvirt.restart();
    await server.start();
    await until("still suspended", ({ status }) => status?.phase === "Suspended");
    await viv("start", name);
    assert.equal(await bootId(), boot);
    assert.equal((await savedDomains()).trim(), "");
  });

  test("a server that is killed while it suspends finds the VM suspended once", async () => {
    const boot = await bootId();
    const killed = server.killAt({ controller: "virtual-machine", step: "Suspend", phase: "start" });
    await patch({ spec: { powerState: "Suspended" } });
    await killed;
    await server.start();
    await until("Suspended", ({ status }) => status?.phase === "Suspended");
    await viv("resume", name);
    assert.equal(await bootId(), boot);
  });

  test("saved memory is kept when the VM shall be Off, and thrown away when that is asked", async () => {
    const boot = await bootId();
    await viv("suspend", name);
    await patch({ spec: { powerState: "Off" } });
    const off = await until("Stopped", ({ status }) => status?.phase === "Stopped");
    assert.match(off.status?.message ?? "", /memory is saved/);
    assert.match(await savedDomains(), new RegExp(name));
    await viv("start", "--cold", name);
    assert.notEqual(await bootId(), boot);
  });

  test("a reset begins the guest anew at once; a reboot asks it to", async () => {
    for (const verb of ["reset", "reboot"]) {
      const boot = await bootId();
      await viv(verb, name);
      await eventually("another boot", async () => ((await bootId()) === boot ? undefined : true), slow);
      assert.match(await state(), /^running/);
    }
    const stop = (await vm())?.status?.lastStop?.method;
    assert.equal(stop, "Suspended", "nothing of this was a stop");
  });

  test("a reset of a VM that is off is refused by viv, and told by the server", async () => {
    await viv("stop", "--force", name);
    const refused = await server.viv(["reset", name]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /it is off/);
    await server.kubectl(["annotate", "vm", name, "vivarium.dev/reset-requested-at=1", "--overwrite"]);
    await until("void", ({ status }) => status?.lastResetRequest === "1");
    const events = await server.kubectl(["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    assert.match(events.stdout, /RequestVoid/);
    await viv("start", name);
  });

  test("a protected VM is not deleted until it is no longer protected", async () => {
    await patch({ spec: { deletionProtection: true } });
    const refused = await server.kubectl(["delete", "vm", name]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /deletionProtection/);
    assert.match(await state(), /^running/);
    await patch({ spec: { deletionProtection: false } });
  });

  test("CPUs are added and memory is moved while the VM runs, within the room that its class prepares", async () => {
    const hot = "{cpuHotAddEnabled: true, memoryHotAddEnabled: true, maxCpu: 2, maxMemory: 512Mi}";
    await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClass
metadata: {name: hot}
spec: {cpu: 1, memory: 256Mi, diskDefaults: {size: 64Mi}, performanceProfile: ${hot}}
`);
    await patch({ spec: { classRef: { name: "hot" } } });
    await until("what was not prepared waits", ({ status }) => pending(status)?.status === "True");
    await viv("restart", name);
    const { boot, cpus } = await facts();
    assert.equal(cpus, 1);
    await patch({ spec: { resources: { cpu: 2, memoryMiB: 384 } } });
    await until("larger", ({ status }) => sizeOf(status) === "2 CPUs, 384 MiB");
    const grown = await eventually(
      "the guest has it",
      async () => ((await facts()).cpus === 2 ? facts() : undefined),
      slow,
    );
    assert.equal(grown.boot, boot);
    await patch({ spec: { resources: { cpu: 2, memoryMiB: 192 } } });
    await until("smaller", ({ status }) => sizeOf(status) === "2 CPUs, 192 MiB");
    const left = await facts();
    assert.equal(left.boot, boot);
    assert.ok(left.memoryKib < grown.memoryKib - 150 * 1024, `${left.memoryKib} of ${grown.memoryKib} KiB`);
    const after = await vm();
    assert.deepEqual([pending(after?.status)?.status, after?.status?.phase], ["False", "Running"]);
  });

  test("viv plan and kubectl diff say of each field what it would do, and change nothing", async () => {
    const { apiVersion, kind, spec } = (await vm()) ?? assert.fail("the VM is there");
    const wanted = { ...spec, resources: { cpu: 1, memoryMiB: 256 }, disks: [{ name: "more", sizeGiB: 1 }] };
    const input = JSON.stringify({ apiVersion, kind, metadata: { name }, spec: { ...wanted, tags: ["planned"] } });
    const lines = [
      "live: spec.disks[more]",
      "restart: spec.resources.cpu 2 to 1 (no CPU is taken from a running guest)",
      "live: spec.resources.memoryMiB 192 to 256 (memory is moved while it runs)",
      "live: spec.tags",
      "what needs a restart waits for one by hand: spec.lifecycle.reconfigurePolicy is Manual",
    ];
    const planned = await server.viv(["plan", "-f", "-"], { input });
    assert.equal(planned.code, 0, planned.stderr);
    assert.match(planned.stdout, new RegExp(`^virtualmachine.infra.virtrigaud.io/${name}: would be changed`));
    const diff = await server.kubectl(["diff", "-f", "-"], { input });
    assert.equal(diff.code, 1, diff.stderr);
    assert.match(diff.stdout, /^\+ {4}cpu: 1$/m);
    for (const line of lines) {
      assert.ok(planned.stdout.includes(line), `${line} in ${planned.stdout}`);
      assert.ok(diff.stderr.includes(`Warning: ${line}`), `${line} in ${diff.stderr}`);
    }
    assert.deepEqual((await vm())?.spec, spec);
  });

  test("a CPU less waits for a power cycle, with the reason", async () => {
    await patch({ spec: { resources: { cpu: 1, memoryMiB: 192 } } });
    const waiting = await until("pending", ({ status }) => pending(status)?.status === "True");
    assert.match(pending(waiting.status)?.message ?? "", /no CPU is taken from a running guest/);
    assert.equal(waiting.status?.currentResources?.cpu, 2);
  });

  test("with reconfigurePolicy Graceful the guest is shut down for it, and started again with the size that is declared", async () => {
    const before = await facts();
    await patch({ spec: { lifecycle: { reconfigurePolicy: "Graceful" } } });
    const after = await until("smaller", ({ status }) => status?.currentResources?.cpu === 1);
    assert.equal(after.status?.lastStop?.method, "Graceful");
    assert.ok(Date.parse(after.status?.lastReconfigureTime ?? "") > Date.parse(after.metadata.creationTimestamp ?? ""));
    await eventually("another boot", async () => ((await facts()).boot === before.boot ? undefined : true), slow);
    assert.equal((await facts()).cpus, 1);
    await until("as declared", ({ status }) => pending(status)?.status === "False");
    await patch({ spec: { lifecycle: null } });
  });

  test("the patch of the document is taken as it is written", async () => {
    await server.apply(tinyVm("web-server", 'powerState: "Off", resources: {cpu: 2, memoryMiB: 4096}'));
    const sized = (size: string) =>
      eventually(
        size,
        async () => sizeOf((await server.get<VirtualMachine>("vm", "web-server"))?.status) === size || undefined,
        slow,
      );
    await sized("2 CPUs, 4096 MiB");
    const line = `patch vm web-server --type merge -p {"spec":{"resources":{"cpu":4,"memoryMiB":8192}}}`;
    const patched = await server.kubectl(line.split(" "));
    assert.equal(patched.stdout.trim(), "virtualmachine.infra.virtrigaud.io/web-server patched", patched.stderr);
    await sized("4 CPUs, 8192 MiB");
    const { status } = (await server.get<VirtualMachine>("vm", "web-server")) ?? {};
    assert.ok(status?.lastReconfigureTime !== undefined);
    await server.kubectl(["delete", "vm", "web-server", "--timeout=60s"], { timeoutMs: 70_000 });
  });

  test("a VM that starts with the host is marked so, also while it runs", async () => {
    const autostart = async () => (await run("virsh", ["-q", "list", "--all", "--name", "--autostart"])).stdout.trim();
    assert.equal(await autostart(), "");
    await patch({ spec: { startOnBoot: true } });
    await eventually("marked", async () => ((await autostart()) === name ? true : undefined));
    await patch({ spec: { startOnBoot: false } });
    await eventually("not marked", async () => ((await autostart()) === "" ? true : undefined));
  });

  test("a panic restarts the guest at once, or is kept for a look, as declared", async () => {
    const panic = async () => {
      const ip = (await vm())?.status?.ips?.[0];
      await fetch(`http://${ip}/cgi-bin/panic`, { signal: AbortSignal.timeout(3_000) }).catch(() => undefined);
    };
    await patch({ spec: { lifecycle: { crashPolicy: "Restart" } } });
    await until("it waits for a power cycle", ({ status }) => /crashPolicy/.test(pending(status)?.message ?? ""));
    await viv("restart", name);
    const boot = await bootId();
    await panic();
    await eventually("another boot", async () => ((await bootId()) === boot ? undefined : true), slow);
    await patch({ spec: { lifecycle: { crashPolicy: "Preserve" } } });
    await viv("restart", name);
    await machine();
    await panic();
    const kept = await until("kept", ({ status }) => status?.phase === "Failed");
    assert.equal(kept.status?.lastStop?.method, "Crashed");
    assert.match(await state(), /^crashed/);
    await viv("restart", name);
    await machine();
  });

  test("domain XML is added where the Provider allows it, and nothing that is ours is changed by it", async () => {
    const overlay = async (xml: string) => {
      const spec = { extraConfig: { "libvirt.domain-overlay": `<domain>${xml}</domain>` } };
      const patched = await server.kubectl([
        "patch",
        "vmclass",
        "hot",
        "--type",
        "merge",
        "-p",
        JSON.stringify({ spec }),
      ]);
      assert.equal(patched.code, 0, patched.stderr);
    };
    await viv("stop", "--force", name);
    await overlay("<devices><watchdog model='i6300esb' action='reset'/></devices>");
    await until("refused", ({ status }) => /allowDomainOverlay/.test(status?.message ?? ""));
    await server.kubectl(["patch", "prov", "local", "--type", "merge", "-p", '{"spec":{"allowDomainOverlay":true}}']);
    await until("taken", ({ status }) => status?.phase === "Stopped" && pending(status)?.status === "False");
    assert.match((await run("virsh", ["dumpxml", "--inactive", name])).stdout, /<watchdog model='i6300esb'/);
    await overlay("<uuid>0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01</uuid>");
    await until("refused", ({ status }) => /<uuid> is not to be changed/.test(status?.message ?? ""));
    await server.kubectl(["patch", "vmclass", "hot", "--type", "merge", "-p", '{"spec":{"extraConfig":null}}']);
    await viv("start", name);
  });

  test("a suspended VM is deleted with all that belongs to it", async () => {
    await machine();
    await viv("suspend", name);
    const deleted = await server.kubectl(["delete", "vm", name, "--timeout=60s"], { timeoutMs: 70_000 });
    assert.equal(deleted.code, 0, deleted.stderr);
    const left = await inventory();
    assert.deepEqual([left.domains, left.files], [[], []]);
    assert.equal((await run("ls", ["/var/lib/libvirt/qemu/save"])).stdout.trim(), "");
  });
});
