// Clones of a running guest by the stock kubectl and by viv: full and linked, each with an identity of its own; what the source writes
// afterwards is not in them; what a linked one needs is held for it, until it is made independent.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findCondition, type VirtualMachine, type VMClone, type VMSnapshot, type VMTemplate } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { guestShell } from "./support/guest-shell.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyVm } from "./support/manifests.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const name = "vvclone-web";
const linked = "vvclone-linked";
const full = "vvclone-full";
const patient = { timeoutMs: 180_000, everyMs: 250 };

describe("clones", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
    await server.apply(tinyVm(name, "disks: [{name: data, sizeGiB: 1}]"));
    await untilRunning(name);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  const vm = (of: string) => server.get<VirtualMachine>("vm", of);

  async function untilRunning(of: string): Promise<VirtualMachine> {
    return eventually(
      `guest ${of} has an address`,
      async () => {
        const found = await vm(of);
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

  const write = (of: string, text: string) => guestShell(server, of, `echo ${text} > /dev/vdb; sync; echo done`);
  const read = (of: string) => guestShell(server, of, "head -n 1 /dev/vdb");
  /** What cloud-init would read. */
  const hostname = (of: string) =>
    guestShell(server, of, `tr -d '\\000' </dev/vdc | grep -ao '"local-hostname": "[^"]*"' | head -n 1`);

  test("a running guest is cloned, linked as the document has it, and full by viv", async () => {
    await write(name, "one");
    await server.apply(`
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMClone
metadata: {name: web-server-clone}
spec:
  sourceRef: {name: ${name}}
  target: {name: ${linked}, classRef: {name: tiny}}
  linked: true
  powerOn: true
  customization: {hostname: vvclone-test}
`);
    const made = await server.viv(["clone", name, full, "--timeout", "170s"], patient);
    assert.equal(made.code, 0, made.stderr);
    assert.match(
      made.stdout,
      /vm\/vvclone-full: full clone of VirtualMachine\/vvclone-web \(disks as after a power cut\)/,
    );
    const waited = await server.kubectl(
      ["wait", "--for=condition=Ready", "vmclone/web-server-clone", "--timeout=170s"],
      patient,
    );
    assert.equal(waited.code, 0, waited.stderr);
    const table = await server.kubectl(["get", "vmclones"]);
    assert.match(table.stdout, /NAME\s+SOURCE\s+TARGET\s+PHASE\s+CLONE TYPE\s+PROGRESS\s+AGE/);
    assert.match(
      table.stdout,
      /web-server-clone\s+VirtualMachine\/vvclone-web\s+vvclone-linked\s+Ready\s+LinkedClone\s+100/,
    );
  });

  test("each has an identity of its own, and what the source had at that moment", async () => {
    await write(name, "two");
    const seen = await Promise.all([name, linked, full].map(untilRunning));
    for (const fact of [
      (each: VirtualMachine) => each.status?.networks?.[0]?.mac,
      (each: VirtualMachine) => each.status?.ips?.[0],
      (each: VirtualMachine) => each.status?.id,
    ]) {
      const facts = seen.map(fact);
      assert.ok(facts.every((each) => each !== undefined) && new Set(facts).size === 3, facts.join(" "));
    }
    assert.deepEqual([await read(linked), await read(full), await read(name)], ["one", "one", "two"]);
    assert.equal(await hostname(linked), '"local-hostname": "vvclone-test"');
    assert.equal(await hostname(full), `"local-hostname": "${full}"`);
  });

  test("neither the source nor the snapshot goes while a clone backs onto it, and both say so", async () => {
    const { status } = (await server.get<VMClone>("vmclone", "web-server-clone")) ?? {};
    const base = status?.snapshotRef?.name ?? "";
    await server.kubectl(["delete", "vm", name, "--wait=false"]);
    await eventually(
      "the machine says what holds it",
      async () =>
        /clones back onto it: vvclone-linked/.test((await vm(name))?.status?.message ?? "") ? true : undefined,
      patient,
    );
    await server.kubectl(["delete", "vmsnap", base, "--wait=false"]);
    await eventually(
      "the snapshot says what holds it",
      async () =>
        /back onto it: vvclone-linked/.test((await server.get<VMSnapshot>("vmsnap", base))?.status?.message ?? "")
          ? true
          : undefined,
      patient,
    );
  });

  test("a server that is killed while a clone is made independent ends that; then the source goes", async () => {
    const asked = await server.viv(["unlink", linked, "--no-wait"]);
    assert.equal(asked.code, 0, asked.stderr);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await server.kill("SIGKILL");
    await server.start();
    await untilGone("vm", name);
    assert.equal(await read(linked), "one");
    await eventually(
      "it is a full clone now",
      async () =>
        (await server.get<VMClone>("vmclone", "web-server-clone"))?.status?.actualCloneType === "FullClone"
          ? true
          : undefined,
      patient,
    );
    assert.equal((await server.get<VMClone>("vmclone", "web-server-clone"))?.status?.phase, "Ready");
  });

  test("a server that is killed in the middle of clones makes each of them once, and no half one", async () => {
    const two = ["vvclone-two-1", "vvclone-two-2"];
    for (const [index, mode] of [["--linked"], []].entries()) {
      const asked = await server.viv(["clone", full, two[index] ?? "", "--no-start", "--no-wait", ...mode]);
      assert.equal(asked.code, 0, asked.stderr);
    }
    for (const pauseMs of [150, 400, 800]) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await server.kill("SIGKILL");
      await server.start();
    }
    for (const each of two) {
      await eventually(
        `${each} is made`,
        async () => ((await vm(each))?.status?.phase === "Stopped" ? true : undefined),
        patient,
      );
    }
    const { files } = await inventory();
    for (const each of two) {
      const own = files.filter((file) => file.includes(`${each}.`) && file.endsWith(".qcow2"));
      assert.deepEqual(own.map((file) => file.split(".").at(-2) ?? "").toSorted(), ["data", "root"], own.join(" "));
    }
  });

  test("a template is kept, found by its label, and cloned after its source is gone", async () => {
    const kept = await server.viv(
      ["template", "create", "vvclone-v1", "--from", full, "--version-of", "vvclone", "--label", "app=web"],
      patient,
    );
    assert.equal(kept.code, 0, kept.stderr);
    const listed = await server.viv(["template", "list", "-l", "app=web"]);
    assert.match(listed.stdout, /vvclone-v1\s+vvclone\s.*Ready\s+VirtualMachine\/vvclone-full/);
    // The first of the two is linked to what is deleted here.
    for (const each of ["vvclone-two-1", full]) {
      const gone = await server.kubectl(["delete", "vm", each, "--wait", "--timeout=170s"], patient);
      assert.equal(gone.code, 0, gone.stderr);
    }
    const made = await server.viv(["clone", "template/vvclone", full, "--linked", "--no-start"], patient);
    assert.equal(made.code, 0, made.stderr);
    await server.kubectl(["delete", "vmtemplate", "vvclone-v1", "--wait=false"]);
    await eventually(
      "the template says what holds it",
      async () =>
        /back onto it: vvclone-full/.test(
          (await server.get<VMTemplate>("vmtemplate", "vvclone-v1"))?.status?.message ?? "",
        )
          ? true
          : undefined,
      patient,
    );
  });

  test("nothing is left when all are deleted", async () => {
    const all = [linked, full, "vvclone-two-2"];
    const gone = await server.kubectl(["delete", "vm", ...all, "--wait", "--timeout=170s"], patient);
    assert.equal(gone.code, 0, gone.stderr);
    await untilGone("vmtemplate", "vvclone-v1");
    const { domains, files } = await inventory();
    assert.deepEqual(
      [...domains, ...files].filter((each) => each.includes("vvclone")),
      [],
    );
  });
});
