// Snapshots of a real guest by the stock kubectl and by viv: what is on its disks and in its memory comes back, anywhere in the tree, also
// when the server is killed in the middle.

import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VMSnapshot } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestShell } from "./support/guest-shell.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const name = "vvsnap-web";
const group = "infra.virtrigaud.io/v1beta1";

function snapshot(of: string, spec = ""): string {
  return `
apiVersion: ${group}
kind: VMSnapshot
metadata: {name: ${of}}
spec: {vmRef: {name: ${name}}${spec === "" ? "" : `, ${spec}`}}
`;
}

/** Of machines that are off, so that no guest has to boot for it. */
const everyMinute = `
apiVersion: vivarium.dev/v1alpha1
kind: VMSnapshotSchedule
metadata: {name: minutely}
spec:
  schedule: "* * * * *"
  timeZone: Europe/Berlin
  selector: {matchLabels: {backup: "yes"}}
  snapshotTemplate: {spec: {description: by the clock}}
`;
const timed = "vvsnap-timed";

describe("snapshots", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm(name, "disks: [{name: data, sizeGiB: 1}]"));
    await server.apply(tinyVm(timed, 'powerState: "Off"'));
    await server.kubectl(["label", "vm", timed, "backup=yes"]);
    await server.apply(everyMinute);
    await untilRunning();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  const vm = () => server.get<VirtualMachine>("vm", name);

  async function untilRunning(): Promise<void> {
    await eventually(
      "the guest has an address and answers",
      async () => {
        const found = await vm();
        return findCondition(found?.status?.conditions, "Ready")?.reason === "Running" &&
          found?.spec.snapshot?.revertToRef === undefined
          ? true
          : undefined;
      },
      { timeoutMs: 120_000, everyMs: 250 },
    );
  }

  async function untilPhase(of: string, phase: string): Promise<VMSnapshot> {
    return eventually(
      `snapshot ${of} is ${phase}`,
      async () => {
        const found = await server.get<VMSnapshot>("vmsnap", of);
        return found?.status?.phase === phase ? found : undefined;
      },
      { timeoutMs: 120_000, everyMs: 250 },
    );
  }

  async function untilGone(of: string): Promise<void> {
    await eventually(
      `snapshot ${of} is gone`,
      async () => ((await server.get("vmsnap", of)) === undefined ? true : undefined),
      { timeoutMs: 120_000, everyMs: 250 },
    );
  }

  async function revert(to: string): Promise<void> {
    const patch = `{"spec":{"snapshot":{"revertToRef":{"name":"${to}"}}}}`;
    const patched = await server.kubectl(["patch", "vm", name, "--type", "merge", "-p", patch]);
    assert.equal(patched.code, 0, patched.stderr);
  }

  async function untilReverted(): Promise<void> {
    await eventually(
      "the wish is carried out and taken out of the spec",
      async () => ((await vm())?.spec.snapshot?.revertToRef === undefined ? true : undefined),
      { timeoutMs: 120_000, everyMs: 250 },
    );
    await untilRunning();
  }

  const guest = (command: string): Promise<string> => guestShell(server, name, command);
  const write = (text: string): Promise<string> => guest(`echo ${text} > /dev/vdb; sync; echo done`);
  const read = (): Promise<string> => guest("head -n 1 /dev/vdb");

  async function boots(): Promise<number> {
    return (await server.viv(["logs", name])).stdout.split("TINY-UP").length - 1;
  }

  async function files(): Promise<readonly string[]> {
    const prefix = `${name}.`;
    return (await readdir("/var/lib/libvirt/images/vivarium")).filter((file) => file.startsWith(prefix)).toSorted();
  }

  test("the manifest of the document is taken as it is written, with the memory of the guest", async () => {
    await write("one");
    await guest("echo kept > /tmp-mark; echo done");
    await server.apply(
      snapshot(
        "pre-maintenance-backup",
        'nameHint: "maintenance-backup", memory: true, description: "Backup before maintenance", retentionPolicy: {maxAge: "7d", deleteOnVMDelete: true}',
      ),
    );
    const waited = await server.kubectl(
      ["wait", "--for=condition=Ready", "vmsnap/pre-maintenance-backup", "--timeout=90s"],
      { timeoutMs: 100_000 },
    );
    assert.equal(waited.code, 0, waited.stderr);
    const { status } = await untilPhase("pre-maintenance-backup", "Ready");
    assert.deepEqual(
      [status?.hasMemory, status?.consistency, status?.disks, status?.isCurrent],
      [true, "Memory", ["root", "data"], true],
    );
    assert.ok(Date.parse(status?.expiryTime ?? "") > Date.now() + 6 * 86_400_000);
    const table = await server.kubectl(["get", "vmsnapshots"]);
    assert.match(table.stdout, /NAME\s+VM\s+PHASE\s+SIZE\s+CREATED\s+EXPIRES\s+AGE/);
    assert.match(table.stdout, /pre-maintenance-backup\s+vvsnap-web\s+Ready\s+\d+/);
    assert.equal(await read(), "one");
  });

  test("disks alone, of the running guest; the second came out of the first", async () => {
    await write("two");
    await guest("rm /tmp-mark; echo done");
    await server.apply(snapshot("two"));
    const { status } = await untilPhase("two", "Ready");
    assert.deepEqual([status?.consistency, status?.parent?.name], ["Crash", "pre-maintenance-backup"]);
    await eventually("the first has a child", async () =>
      (await server.get<VMSnapshot>("vmsnap", "pre-maintenance-backup"))?.status?.children?.[0]?.name === "two"
        ? true
        : undefined,
    );
    await eventually("the machine names both", async () => {
      const names = (await vm())?.status?.snapshots?.map((each) => each.name) ?? [];
      return names.join() === "pre-maintenance-backup,two" || undefined;
    });
    await write("three");
  });

  test("memory comes back by a patch of the machine: the guest goes on where it was, and has not booted", async () => {
    const before = await boots();
    await revert("pre-maintenance-backup");
    await untilReverted();
    assert.equal(await guest("cat /tmp-mark"), "kept");
    assert.equal(await read(), "one");
    assert.equal(await boots(), before);
    const events = await server.kubectl(["get", "events", "-o", "jsonpath={.items[*].reason}"]);
    for (const reason of ["SnapshotCreating", "SnapshotReady", "SnapshotReverted"]) {
      assert.match(events.stdout, new RegExp(reason));
    }
  });

  test("disks come back without memory: the guest boots from them", async () => {
    const before = await boots();
    await write("four");
    await revert("two");
    await untilReverted();
    assert.equal(await read(), "two");
    assert.equal(await boots(), before + 1);
    assert.equal((await vm())?.status?.lastStop?.method, "Forced");
  });

  test("one in the middle of the tree is deleted under the running guest, and its space is given back", async () => {
    const before = (await files()).length;
    const gone = await server.kubectl(["delete", "vmsnap", "pre-maintenance-backup", "--wait", "--timeout=90s"], {
      timeoutMs: 100_000,
    });
    assert.equal(gone.code, 0, gone.stderr);
    assert.equal(await read(), "two");
    const left = await files();
    assert.ok(left.length < before, left.join(" "));
    assert.ok(!left.some((file) => file.endsWith(".memory")), left.join(" "));
    await eventually(
      "the second is a root now",
      async () => ((await server.get<VMSnapshot>("vmsnap", "two"))?.status?.parent === undefined ? true : undefined),
      { timeoutMs: 90_000 },
    );
  });

  test("what cannot be is refused with its reason", async () => {
    await server.apply(snapshot("still", "snapshotConfig: {quiesce: true}"));
    await eventually(
      "it waits for the agent",
      async () =>
        /agent is not connected/.test((await server.get<VMSnapshot>("vmsnap", "still"))?.status?.message ?? "")
          ? true
          : undefined,
      { timeoutMs: 60_000 },
    );
    await server.apply(snapshot("locked", "snapshotConfig: {encryption: {enabled: true}}"));
    const locked = await untilPhase("locked", "Failed");
    assert.match(locked.status?.message ?? "", /encryption/);
    await server.kubectl(["delete", "vmsnap", "still", "locked", "--wait", "--timeout=60s"], { timeoutMs: 70_000 });
    await revert("nothing");
    await eventually(
      "the machine says so",
      async () =>
        findCondition((await vm())?.status?.conditions, "Ready")?.reason === "SnapshotNotFound" ? true : undefined,
      { timeoutMs: 60_000 },
    );
    await server.kubectl(["patch", "vm", name, "--type", "merge", "-p", '{"spec":{"snapshot":null}}']);
    await untilRunning();
    assert.equal(await read(), "two");
  });

  test("viv takes one, shows the tree, goes back and deletes", async () => {
    const limit = { timeoutMs: 150_000 };
    const taken = await server.viv(["snapshot", "create", name, "by-viv", "--memory", "--timeout", "120s"], limit);
    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, /vmsnapshot\/by-viv: Taken: with memory/);
    await write("five");
    const tree = await server.viv(["snapshot", "list", name]);
    assert.match(tree.stdout, /^two\s+Ready\s+Crash[^]*^ {2}by-viv \*\s+Ready\s+Memory/m);
    const back = await server.viv(["snapshot", "revert", name, "by-viv", "--timeout", "120s"], limit);
    assert.equal(back.code, 0, back.stderr);
    await untilRunning();
    assert.equal(await read(), "two");
    const refused = await server.viv(["snapshot", "create", name, "no", "--quiesce", "--timeout", "3s"], limit);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /agent is not connected/);
    const unknown = await server.viv(["snapshot", "revert", name, "unknown"]);
    assert.notEqual(unknown.code, 0);
    const deleted = await server.viv(["snapshot", "delete", "no", "by-viv", "two", "--timeout", "120s"], limit);
    assert.equal(deleted.code, 0, deleted.stderr);
    assert.deepEqual(
      (await files()).filter((file) => file.endsWith(".qcow2")).map((file) => file.split(".").slice(2).join(".")),
      ["data.qcow2", "root.qcow2"],
    );
    assert.equal(await read(), "two");
  });

  test("a schedule takes one at each minute, and keeps what it took when it goes", async () => {
    const taken = await eventually(
      "one is taken",
      async () => {
        const list = await server.kubectl([
          "get",
          "vmsnap",
          "-l",
          "vivarium.dev/snapshot-schedule=minutely",
          "-o",
          "json",
        ]);
        const { items } = JSON.parse(list.stdout) as { readonly items: readonly VMSnapshot[] };
        return items.find(({ status }) => status?.phase === "Ready");
      },
      { timeoutMs: 150_000, everyMs: 500 },
    );
    assert.match(taken.metadata.name, new RegExp(`^minutely-${timed}-\\d{8}-\\d{4}$`));
    assert.deepEqual([taken.spec.vmRef.name, taken.status?.consistency], [timed, "Off"]);
    const shown = await server.kubectl(["get", "snapsched"]);
    assert.match(shown.stdout, /^minutely\s+\* \* \* \* \*\s+Europe\/Berlin\s+false\s+1\s/m);
    await server.kubectl(["delete", "snapsched", "minutely", "--wait", "--timeout=30s"], { timeoutMs: 40_000 });
    assert.notEqual(await server.get("vmsnap", taken.metadata.name), undefined);
    const gone = await server.kubectl(["delete", "vm", timed, "--wait", "--timeout=90s"], { timeoutMs: 100_000 });
    assert.equal(gone.code, 0, gone.stderr);
    await untilGone(taken.metadata.name);
  });

  async function killedAt(step: string, phase: string, begin: () => Promise<unknown>): Promise<void> {
    const killed = server.killAt({ step, phase });
    await begin();
    await killed;
    await server.start();
  }

  for (const [step, phase] of [
    ["RecordCreating", "done"],
    ["Create", "done"],
    ["RecordCreated", "start"],
  ] as const) {
    test(`kill -9 at ${step} ${phase}: one snapshot, whole`, async () => {
      const of = `killed-${step.toLowerCase()}`;
      await write(step);
      await killedAt(step, phase, () => server.kubectl(["apply", "-f", "-"], { input: snapshot(of, "memory: true") }));
      const { status } = await untilPhase(of, "Ready");
      assert.equal(status?.hasMemory, true);
      assert.equal((await files()).filter((file) => file.endsWith(".memory")).length, 1);
      await write("after");
      await revert(of);
      await untilReverted();
      assert.equal(await read(), step);
      await killedAt("Remove", "done", () => server.kubectl(["delete", "vmsnap", of, "--wait=false"]));
      await untilGone(of);
      assert.equal(await read(), step);
      assert.equal((await files()).filter((file) => file.endsWith(".qcow2")).length, 2);
    });
  }

  for (const [step, phase] of [
    ["RecordRevert", "done"],
    ["Revert", "start"],
    ["Revert", "done"],
  ] as const) {
    test(`kill -9 at ${step} ${phase}: the machine is back at its snapshot, once`, async () => {
      await write("good");
      await server.apply(snapshot("base"));
      await untilPhase("base", "Ready");
      await write("bad");
      await killedAt(step, phase, () => revert("base"));
      await untilReverted();
      assert.equal(await read(), "good");
      const gone = await server.kubectl(["delete", "vmsnap", "base", "--wait", "--timeout=90s"], {
        timeoutMs: 100_000,
      });
      assert.equal(gone.code, 0, gone.stderr);
      assert.equal(await read(), "good");
    });
  }

  test("a machine that is deleted takes its snapshots along, and leaves no file", async () => {
    await server.apply(snapshot("last", "memory: true"));
    await untilPhase("last", "Ready");
    await server.apply(snapshot("kept", "retentionPolicy: {deleteOnVMDelete: false}"));
    await untilPhase("kept", "Ready");
    await server.kubectl(["delete", "vm", name, "--wait=false"]);
    await eventually(
      "the machine waits for the one that shall outlive it",
      async () =>
        findCondition((await vm())?.status?.conditions, "Ready")?.reason === "SnapshotsKept" ? true : undefined,
      { timeoutMs: 60_000 },
    );
    await server.kubectl(["delete", "vmsnap", "kept", "--wait", "--timeout=90s"], { timeoutMs: 100_000 });
    await eventually("the machine goes", async () => ((await vm()) === undefined ? true : undefined), {
      timeoutMs: 60_000,
    });
    await untilGone("last");
    assert.deepEqual(await files(), []);
    assert.deepEqual((await inventory()).domains, []);
    const nvram = await run("find", ["/var/lib/libvirt/qemu/nvram", "-name", `${name}*`]);
    assert.equal(nvram.stdout.trim(), "");
  });
});
