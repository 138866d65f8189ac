// The everyday life of a lab through make alone: real make, real viv, real libvirtd, the tiny guest as the base image.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { VirtualMachine, VMGroup } from "@vivarium/api";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyImage } from "./support/manifests.ts";
import { repository } from "./support/paths.ts";
import { run, VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;
const small = ["CPUS=1", "MEMORY=128Mi", "DISK=1Gi"];

/** Comes before the one that ships: a role whose own image is there, so that nothing is built. */
const baseRole = `
apiVersion: vivarium.dev/v1alpha1
kind: VMRole
metadata: {name: base}
spec: {parent: {images: [{name: tiny}]}, imageNames: [tiny]}
`;

describe("make", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  /** What is built is there already: `-o bundle`. A plus is a space within a word. */
  const make = (line: string, input = "") =>
    run(
      "make",
      [
        "-C",
        repository,
        "--no-print-directory",
        "-o",
        "bundle",
        ...line.split(" ").map((word) => word.replaceAll("+", " ")),
      ],
      {
        env: { VIV_STATE_DIR: server.stateDirectory, NO_COLOR: "1" },
        timeoutMs: 600_000,
        input,
      },
    );
  const ok = async (line: string): Promise<string> => {
    const made = await make(line);
    assert.equal(made.code, 0, `make ${line}\n${made.stdout}${made.stderr}`);
    return made.stdout;
  };
  const vm = (name: string) => server.get<VirtualMachine>("vm", name);

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(`${await tinyImage("tiny")}---${baseRole}`);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("create-base makes a VM with all that it needs, and waits until it is up", async () => {
    const nothing = await make("start");
    assert.match(nothing.stderr, /There is no VM in namespace "default"/);
    await ok(`create-base NAME=web ${small.join(" ")}`);
    assert.equal((await vm("web"))?.status?.phase, "Running");
    assert.deepEqual((await inventory()).running, ["web"]);
    const again = await make(`create-base NAME=web ${small.join(" ")}`);
    assert.match(again.stderr, /"web" already exists/);
  });

  test("list and status tell of it; a VM that is not there is told, and not made", async () => {
    assert.match(await ok("list"), /^web +Running/m);
    assert.match(await ok("status NAME=web"), /^vm: +default\/web$/m);
    for (const target of ["start", "stop", "status", "ssh", "delete"]) {
      const unknown = await make(`${target} NAME=wbe`);
      assert.equal(unknown.code, 2);
      assert.match(unknown.stderr, /"wbe" not found\n.*viv list/);
    }
  });

  test("snapshots are taken, listed, gone back to and deleted", async () => {
    await ok("snapshot NAME=web ACTION=create SNAPSHOT=one");
    assert.match(await ok("snapshot NAME=web ACTION=list"), /^one \* +Ready/m);
    await ok("snapshot NAME=web ACTION=restore SNAPSHOT=one");
    assert.equal((await vm("web"))?.status?.powerState, "On");
    await ok("snapshot NAME=web ACTION=delete SNAPSHOT=one");
  });

  test("a group stops what needs others first, and starts it last", async () => {
    await ok(`create-base NAME=db ${small.join(" ")}`);
    await ok("group ACTION=create NAME=shop MEMBERS=db+web:db");
    await ok("group ACTION=stop NAME=shop");
    assert.deepEqual((await inventory()).running, []);
    const stopped = await server.get<VMGroup>("vmgroup", "shop");
    const since = (group: VMGroup | undefined, name: string) =>
      Date.parse(group?.status?.operation?.members.find((each) => each.name === name)?.since ?? "");
    assert.ok(since(stopped, "web") <= since(stopped, "db"));
    await ok("group ACTION=start NAME=shop");
    const started = await server.get<VMGroup>("vmgroup", "shop");
    const dbReady = (await vm("db"))?.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
    assert.ok(since(started, "web") >= Date.parse(dbReady ?? ""), `web was started before ${dbReady}`);
    assert.match(await ok("group ACTION=status NAME=shop"), /^web +Running +yes +db/m);
  });

  test("images tell what uses them, and long work what it took", async () => {
    assert.match(await ok("images"), /^tiny /m);
    assert.match(await ok("operations"), /Create +virtualmachine\/web +Succeeded/);
  });

  test("delete asks; without a yes, nothing goes; with FORCE=1 it does not ask", async () => {
    const asked = await make("delete NAME=web");
    assert.notEqual(asked.code, 0);
    assert.match(asked.stderr, /Delete virtualmachine "web", its disks with everything on them/);
    assert.ok((await inventory()).running.includes("web"));
    assert.equal((await make("delete NAME=web", "yes\n")).code, 0);
    assert.equal(await vm("web"), undefined);
    await ok("group ACTION=delete NAME=shop FORCE=1");
    assert.deepEqual((await inventory()).domains, []);
    assert.equal(await server.get("vmgroup", "shop"), undefined);
  });
});
