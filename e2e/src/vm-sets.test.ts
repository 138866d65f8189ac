// A set of real machines: made, scaled by kubectl, rolled over to another template and back, deleted.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { VirtualMachine, VMSet } from "@vivarium/api";
import { eventually } from "./support/eventually.ts";
import { inventory } from "./support/host-inventory.ts";
import { LibvirtDaemon, whyNoHost } from "./support/libvirt-daemon.ts";
import { tinyBase, tinyImage } from "./support/manifests.ts";
import { tinyAgentGuestImage } from "./support/tiny-agent-guest.ts";
import { VivServer } from "./support/viv-server.ts";

const skip = whyNoHost() ?? false;

const manifest = `
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMSet
metadata: {name: tier}
spec:
  replicas: 2
  selector: {matchLabels: {app: tier}}
  template:
    metadata: {labels: {app: tier}}
    spec: {providerRef: {name: local}, classRef: {name: tiny}, imageRef: {name: tiny}}
  updateStrategy: {rollingUpdate: {maxUnavailable: 1, maxSurge: 0, podManagementPolicy: Parallel}}
`;

/** The gates that can be met at once, and one that waits for a file. */
const gated = `
apiVersion: infra.virtrigaud.io/v1beta1
kind: VMSet
metadata: {name: gated}
spec:
  replicas: 1
  selector: {matchLabels: {app: gated}}
  template:
    metadata: {labels: {app: gated}}
    spec: {providerRef: {name: local}, classRef: {name: tiny}, imageRef: {name: tiny-agent}}
  readinessGates:
    - {name: agent, agent: {}, periodSeconds: 2}
    - {name: port, tcpSocket: {port: 80}, periodSeconds: 2}
    - {name: page, httpGet: {port: 80, path: /index.html}, periodSeconds: 2}
    - {name: file, exec: {command: [/bin/test, -e, /run/go]}, periodSeconds: 2, timeoutSeconds: 20}
`;

describe("a set of machines", { skip, concurrency: false }, () => {
  const libvirt = new LibvirtDaemon();
  let server: VivServer;

  const set = async () => server.get<VMSet>("vmset", "tier");
  const uidsOf = async (...names: readonly string[]) =>
    Promise.all(names.map(async (name) => (await server.get<VirtualMachine>("vm", name))?.metadata.uid));
  const ok = async (...args: readonly string[]) => {
    const result = await server.kubectl(args, { timeoutMs: 200_000 });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  };
  const rolledOut = async () => {
    const done = await server.viv(["rollout", "status", "tier", "--timeout", "180s"], { timeoutMs: 200_000 });
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };

  before(async () => {
    await libvirt.start();
    server = await VivServer.create();
    await server.start();
    await server.apply(await tinyBase());
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await libvirt[Symbol.asyncDispose]();
  });

  test("as many machines as declared come up, each with its own number and address", async () => {
    await server.apply(manifest);
    await ok("wait", "--for=condition=Ready", "vmset/tier", "--timeout=180s");
    assert.deepEqual(new Set((await inventory()).running), new Set(["tier-0", "tier-1"]));
    const ips = await ok("get", "vm", "-l", "app=tier", "-o", "jsonpath={.items[*].status.ips[0]}");
    assert.equal(new Set(ips.split(" ")).size, 2);
    assert.match(
      await ok("get", "vmset", "tier"),
      /^NAME\s+DESIRED\s+CURRENT\s+READY\s+UPDATED\s+AGE\s*\ntier\s+2\s+2\s+2\s+2\s/,
    );
  });

  test("kubectl scale adds a machine and takes it away", async () => {
    await ok("scale", "vmset/tier", "--replicas=3");
    await eventually("tier-2 runs", async () => (await inventory()).running.includes("tier-2") || undefined, {
      timeoutMs: 60_000,
    });
    await rolledOut();
    await ok("scale", "vmset/tier", "--replicas=2");
    await eventually("tier-2 is gone", async () => !(await inventory()).domains.includes("tier-2") || undefined, {
      timeoutMs: 60_000,
    });
    await rolledOut();
  });

  test("a change of the template replaces the machines one after the other, and undo brings the earlier one back", async () => {
    const before = await uidsOf("tier-0", "tier-1");
    const patch = { spec: { template: { spec: { resources: { memoryMiB: 160 } } } } };
    await ok("patch", "vmset", "tier", "--type", "merge", "-p", JSON.stringify(patch));
    const fewest: number[] = [];
    await eventually(
      "it is rolled out",
      async () => {
        const found = await set();
        fewest.push(found?.status?.availableReplicas ?? 0);
        const isSeen = found?.status?.observedGeneration === found?.metadata.generation;
        return (isSeen && found?.status?.updateStatus?.phase === "Completed") || undefined;
      },
      { timeoutMs: 180_000 },
    );
    assert.ok(Math.min(...fewest) >= 1, `available at times: ${fewest.join()}`);
    const after = await uidsOf("tier-0", "tier-1");
    assert.ok(after.every((uid) => uid !== undefined && !before.includes(uid)));
    const history = await server.viv(["rollout", "history", "tier"]);
    assert.match(history.stdout, /^REVISION\s+NAME\s+MACHINES.*\n1\s+tier-\w+\s+0\s.*\n2\s+tier-\w+\s+2\s/);
    const undone = await server.viv(["rollout", "undo", "tier"]);
    assert.match(undone.stdout, /back to the template of revision 1/, undone.stderr);
    await rolledOut();
    assert.equal((await set())?.spec.template.spec.resources, undefined);
    const reborn = await uidsOf("tier-0", "tier-1");
    assert.ok(reborn.every((uid) => uid !== undefined && !after.includes(uid)));
  });

  test("delete removes the set, its machines and all that was theirs", async () => {
    await ok("delete", "vmset", "tier", "--wait", "--timeout=60s");
    // The set is gone before its machines are.
    await ok("wait", "--for=delete", "vm", "-l", "app=tier", "--timeout=120s");
    const { domains, files } = await inventory();
    assert.deepEqual([domains, files], [[], []]);
  });

  test("a machine is ready when its agent, its port, its page and a command in it say so; the set names the gate that is missing", async () => {
    await server.apply(await tinyImage("tiny-agent", `file://${await tinyAgentGuestImage()}`));
    await server.apply(gated);
    const machine = async () => (await server.get<VMSet>("vmset", "gated"))?.status?.vmStatus?.[0];
    await eventually(
      "only the command is missing",
      async () => {
        const gates = (await machine())?.gates ?? [];
        return gates.map(({ met }) => met).join() === "true,true,true,false" || undefined;
      },
      { timeoutMs: 180_000 },
    );
    await eventually(
      "the set says so",
      async () => /"file" is not met: "\/bin\/test" ended with 1/.test((await machine())?.message ?? "") || undefined,
      { timeoutMs: 60_000 },
    );
    assert.equal((await server.get<VMSet>("vmset", "gated"))?.status?.readyReplicas, 0);
    const go = { name: "file", exec: { command: ["/bin/touch", "/run/go"] }, periodSeconds: 2, timeoutSeconds: 20 };
    const patch = { spec: { readinessGates: [go] } };
    await ok("patch", "vmset", "gated", "--type", "merge", "-p", JSON.stringify(patch));
    await ok("wait", "--for=condition=Ready", "vmset/gated", "--timeout=120s");
    await server.apply(gated);
    await ok("wait", "--for=condition=Ready", "vmset/gated", "--timeout=120s");
    await eventually("all four are met", async () => {
      const gates = (await machine())?.gates ?? [];
      return (gates.length === 4 && gates.every(({ met }) => met)) || undefined;
    });
    await ok("delete", "vmset", "gated", "--wait", "--timeout=60s");
  });
});
