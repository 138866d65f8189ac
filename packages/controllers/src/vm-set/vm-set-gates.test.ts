// Readiness gates of a set over a real API server: real sockets on loopback, and a simulated guest agent.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { findCondition, Provider, VirtualMachine, VMSet, type VMSetSpec } from "@vivarium/api";
import { controllersLab, headOf, provider } from "../testing/controllers-lab.ts";
import { eventually } from "../testing/eventually.ts";
import { createVmSetController } from "./vm-set.ts";

const namespace = "default";
const key = { namespace, name: "web-0" };
const app = { app: "web" };

async function lab(t: TestContext, readinessGates: VMSetSpec["readinessGates"] = [], spec: Partial<VMSetSpec> = {}) {
  const base = await controllersLab(t);
  const { client, clock, manager, providers } = base;
  base.run(createVmSetController({ manager, providers, clock, random: () => 0 }));
  await client.create(Provider, provider("local"));
  await base.until(Provider, "local", ({ status }) => status?.healthy);
  await client.create(VMSet, {
    ...headOf(VMSet, "web"),
    spec: {
      replicas: 2,
      selector: { matchLabels: app },
      template: { metadata: { labels: app }, spec: { providerRef: { name: "local" } } },
      readinessGates,
      ...spec,
    },
  });
  const set = () => client.get(VMSet, { namespace, name: "web" });
  return {
    ...base,
    set,
    /** Lets time pass until it is so. */
    untilSet: (what: string, isSo: (set: VMSet) => boolean | undefined) =>
      eventually(async () => {
        await clock.advance(1_000);
        const found = await set();
        return isSo(found) === true && found;
      }, what),
    firstIsReady: async () => {
      const vm = await eventually(() => client.get(VirtualMachine, key).catch(() => undefined), "web-0");
      const now = new Date(clock.now()).toISOString();
      const ready = {
        type: "Ready",
        status: "True",
        reason: "Running",
        message: "x",
        lastTransitionTime: now,
      } as const;
      return client.updateStatus(VirtualMachine, {
        ...vm,
        status: { phase: "Running", ips: ["127.0.0.1"], startedAt: now, conditions: [ready] },
      });
    },
  };
}

const first = ({ status }: VMSet) => status?.vmStatus?.find(({ name }) => name === "web-0");

test("a machine counts as ready when its port answers, and no longer when it does not; the set says which gate it is", async (t) => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const { firstIsReady, untilSet, set, client } = await lab(t, [
    { name: "web", tcpSocket: { port }, periodSeconds: 5 },
  ]);
  await firstIsReady();
  const held = await untilSet("the port is refused", (each) => first(each)?.gates?.[0]?.reason === "ConnectionRefused");
  assert.equal(first(held)?.ready, false);
  assert.equal(held.status?.readyReplicas, 0);
  assert.match(first(held)?.message ?? "", /readiness gate "web" is not met: cannot connect to 127\.0\.0\.1:/);
  assert.match(
    findCondition(held.status?.conditions, "Ready")?.message ?? "",
    /web-0: readiness gate "web" is not met/,
  );
  assert.equal((await client.list(VirtualMachine, { namespace })).items.length, 1, "the next one waits");
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  await untilSet("it answers", (each) => first(each)?.ready);
  await untilSet("the next one is made", (each) => each.status?.replicas === 2);
  await new Promise((resolve) => server.close(resolve));
  const lost = await untilSet("it is lost", (each) => first(each)?.ready === false);
  assert.equal(first(lost)?.gates?.[0]?.met, false);
  assert.equal((await set()).status?.replicas, 2);
});

test("a command of the guest agent decides; without an agent the gate says so", async (t) => {
  const { firstIsReady, untilSet, hypervisor } = await lab(t, [
    { name: "agent", agent: {} },
    { name: "works", exec: { command: ["/usr/bin/check", "--all"] } },
  ]);
  const { metadata } = await firstIsReady();
  const uid = metadata.uid ?? "";
  await untilSet("there is no domain", (each) => /has no domain/.test(first(each)?.message ?? ""));
  hypervisor.world.domains.set(uid, {
    name: "web-0",
    uid,
    ours: true,
    disks: [],
    nics: [],
    power: "running",
    powerReason: "booted",
    agentConnected: false,
    boots: 1,
    serialLog: "",
  });
  await untilSet("there is no agent", (each) => /agent is not connected/.test(first(each)?.message ?? ""));
  hypervisor.guest.run = (command) => ({ exitCode: 3, stdout: "", stderr: `${command.join(" ")}: no` });
  hypervisor.connectAgent(uid);
  const failing = await untilSet("the command fails", (each) => first(each)?.gates?.[1]?.reason === "CommandFailed");
  assert.equal(first(failing)?.gates?.[0]?.met, true);
  assert.equal(
    first(failing)?.message,
    'readiness gate "works" is not met: "/usr/bin/check" ended with 3: /usr/bin/check --all: no',
  );
  hypervisor.guest.run = () => ({ exitCode: 0, stdout: "", stderr: "" });
  await untilSet("it works", (each) => first(each)?.ready);
  hypervisor.disconnect();
  const blind = await untilSet("nobody answers", (each) => first(each)?.gates?.[0]?.reason === "ProviderUnavailable");
  assert.equal(first(blind)?.ready, true, "a host that does not answer says nothing about its machines");
});

test("a gate that is not met for unhealthyAfter is a broken machine, which is replaced where that is asked for", async (t) => {
  const { firstIsReady, client, clock } = await lab(t, [{ name: "agent", agent: {} }], {
    replicas: 1,
    healing: { unhealthyAfter: "10m", maxUnhealthy: 1 },
  });
  const { metadata } = await firstIsReady();
  await eventually(async () => {
    await clock.advance(60_000);
    const vm = await client.get(VirtualMachine, key).catch(() => undefined);
    return vm !== undefined && vm.metadata.uid !== metadata.uid;
  }, "it is replaced");
});

test("a gate must ask for one thing", async (t) => {
  const { untilSet } = await lab(t, [{ name: "none" }]);
  await untilSet("it is told", (each) =>
    /"none" must have one of agent, tcpSocket, httpGet and exec; it has none/.test(
      findCondition(each.status?.conditions, "Ready")?.message ?? "",
    ),
  );
});
