import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { Event, findCondition, Host, Provider, VirtualMachine, VMPlacementPolicy } from "@vivarium/api";
import type { VirtualMachineSpec } from "@vivarium/api";
import { createSimulatedHypervisor } from "@vivarium/provider";
import { ManualClock } from "@vivarium/runtime";
import { headOf } from "./testing/controllers-lab.ts";
import { rackLab } from "./testing/rack-lab.ts";
import { createPlacer } from "./virtual-machine/host-chooser.ts";
import { createVirtualMachineController } from "./virtual-machine/virtual-machine.ts";
import { createVmPlacementPolicyController } from "./vm-placement-policy.ts";

const gib = 1024 ** 3;
const namespace = "default";

/** Two hosts, `a` with 4 GiB and `b` with 8, of one Provider; an image that is on both. */
async function lab(t: TestContext) {
  const clock = new ManualClock(Date.now());
  const simOf = (sizeGiB: number) =>
    createSimulatedHypervisor({ clock, host: { memoryBytes: sizeGiB * gib }, guest: { leaseMs: 100 } });
  const sims = { a: simOf(4), b: simOf(8) };
  const { client, until, restart } = await rackLab(t, {
    clock,
    hosts: [
      { name: "a", sim: sims.a, labels: { zone: "1" } },
      { name: "b", sim: sims.b, labels: { zone: "2" } },
    ],
    controllers({ manager, providers }) {
      const placer = createPlacer(manager);
      return [
        createVirtualMachineController({ manager, providers, clock, placer, random: () => 0 }),
        createVmPlacementPolicyController({ manager, placer, clock }),
      ];
    },
  });
  const sim = (name: keyof typeof sims) => sims[name];
  const create = (name: string, spec: Partial<VirtualMachineSpec> = {}) =>
    client.create(VirtualMachine, {
      ...headOf(VirtualMachine, name),
      spec: { imageRef: { name: "debian" }, resources: { cpu: 1, memoryMiB: 1024 }, ...spec },
    });
  const get = (name: string) => client.get(VirtualMachine, { namespace, name });
  const ready = (name: string) =>
    until(`${name} is Ready`, async () => {
      const vm = await get(name);
      return readyOf(vm)?.status === "True" && vm;
    });
  const reason = (name: string, wanted: string) =>
    until(`${name} has reason ${wanted}`, async () => {
      const vm = await get(name);
      return readyOf(vm)?.reason === wanted && vm;
    });
  return {
    client,
    clock,
    sim,
    create,
    get,
    ready,
    reason,
    until,
    restart,
  };
}

function readyOf(object: VirtualMachine | Host | Provider) {
  return findCondition(object.status?.conditions, "Ready");
}

test("each host has its own Host; the Provider says what they have together", async (t) => {
  const { client, until } = await lab(t);
  const provider = await until("the Provider is Ready", async () => {
    const found = await client.get(Provider, { namespace, name: "rack" });
    return readyOf(found)?.status === "True" && found;
  });
  assert.equal(readyOf(provider)?.message, "Connected to a, b");
  assert.equal(provider.status?.resourceUsage?.memory?.total, 12 * gib);
  assert.equal(provider.status.host, undefined);
  const host = await client.get(Host, { namespace, name: "a" });
  assert.equal(host.metadata.labels?.["zone"], "1");
  assert.equal(host.status?.capacity?.memoryBytes, 4 * gib);
});

test("a VM lands where the largest share is free, and many that come at once are spread", async (t) => {
  const { create, ready, sim } = await lab(t);
  await Promise.all(Array.from({ length: 6 }, (_, index) => create(`vm-${index}`)));
  const hosts: (string | undefined)[] = [];
  for (let index = 0; index < 6; index++) hosts.push((await ready(`vm-${index}`)).status?.host);
  // The larger host gets twice as many.
  assert.deepEqual([hosts.filter((host) => host === "b").length, hosts.filter((host) => host === "a").length], [4, 2]);
  assert.equal(sim("a").world.domains.size + sim("b").world.domains.size, 6);
});

test("a host or labels that are named decide; what fits nowhere is told for each host, and comes up when there is room", async (t) => {
  const { client, create, ready, reason } = await lab(t);
  await create("named", { placement: { host: "a" } });
  assert.equal((await ready("named")).status?.host, "a");
  await create("labelled", { placement: { hostSelector: { zone: "1" } } });
  assert.equal((await ready("labelled")).status?.host, "a");
  await create("large", { resources: { cpu: 1, memoryMiB: 3072 }, placement: { hostSelector: { zone: "1" } } });
  const refused = await reason("large", "NoHostFits");
  assert.match(readyOf(refused)?.message ?? "", /a: it has 2048 MiB.*b: its label zone/);
  assert.equal(refused.status?.host, undefined);
  await client.mergePatch(VirtualMachine, { namespace, name: "named" }, { spec: { powerState: "Off" } });
  assert.equal((await ready("large")).status?.host, "a");
});

test("a VM that is off keeps its place but not its room: with no room it is not started, and is as soon as there is some", async (t) => {
  const { client, create, ready, reason, restart, sim, until } = await lab(t);
  const power = (name: string, powerState: "On" | "Off") =>
    client.mergePatch(VirtualMachine, { namespace, name }, { spec: { powerState } });
  const large = { resources: { cpu: 1, memoryMiB: 3072 }, placement: { hostSelector: { zone: "1" } } };
  await create("first", large);
  await ready("first");
  await power("first", "Off");
  await reason("first", "Stopped");
  await create("second", large);
  assert.equal((await ready("second")).status?.host, "a");
  await restart();
  await power("first", "On");
  const full = await reason("first", "HostFull");
  assert.match(
    readyOf(full)?.message ?? "",
    /of its host "a", it has 1024 MiB of memory left of 4096 MiB, the VM wants 3072/,
  );
  await until("an event tells it", async () => {
    const { items } = await client.list(Event, { namespace });
    return items.some((event) => event.reason === "FailedScheduling" && event.involvedObject.name === "first");
  });
  const running = [...sim("a").world.domains.values()].filter(({ power: state }) => state === "running");
  assert.deepEqual(
    running.map(({ name }) => name),
    ["second"],
  );
  await client.delete(VirtualMachine, { namespace, name: "second" });
  assert.equal((await ready("first")).status?.host, "a");
});

test("a policy that is missing holds a VM back; there, it is kept, and what no host can take is told of each", async (t) => {
  const { client, create, ready, reason } = await lab(t);
  const spread = { placementRef: { name: "spread" } };
  await create("one", spread);
  const early = await reason("one", "NoHostFits");
  assert.match(readyOf(early)?.message ?? "", /VMPlacementPolicy "default\/spread".*does not exist/);
  await client.create(VMPlacementPolicy, {
    ...headOf(VMPlacementPolicy, "spread"),
    spec: { antiAffinity: { hostAntiAffinity: true } },
  });
  const first = (await ready("one")).status?.host;
  await create("two", spread);
  const second = (await ready("two")).status?.host;
  assert.deepEqual(new Set([first, second]), new Set(["a", "b"]));
  await create("three", spread);
  const third = await reason("three", "NoHostFits");
  assert.match(readyOf(third)?.message ?? "", /^0\/2 hosts can take the VM: 2 with machines to be apart from/);
  await client.delete(VirtualMachine, { namespace, name: "one" });
  assert.equal((await ready("three")).status?.host, first);
});

test("a rule that a VM breaks later is told by the VM and counted by its policy, and moves nothing", async (t) => {
  const { client, create, ready, until, get } = await lab(t);
  await client.create(VMPlacementPolicy, {
    ...headOf(VMPlacementPolicy, "first-zone"),
    spec: { hard: { nodeSelector: { zone: "1" } } },
  });
  await create("web", { placementRef: { name: "first-zone" } });
  assert.equal((await ready("web")).status?.host, "a");
  const policy = () => client.get(VMPlacementPolicy, { namespace, name: "first-zone" });
  const satisfied = (status: "True" | "False") =>
    until(`web is ${status === "True" ? "" : "not "}where it may be`, async () => {
      const found = findCondition((await get("web")).status?.conditions, "PlacementSatisfied");
      return found?.status === status && found;
    });
  await satisfied("True");
  await client.mergePatch(
    VMPlacementPolicy,
    { namespace, name: "first-zone" },
    { spec: { hard: { excludedHosts: ["a"] } } },
  );
  assert.match((await satisfied("False")).message, /does not allow host "a" any more: the policy excludes host "a"/);
  const told = await until("the policy counts it", async () => {
    const { status } = await policy();
    return status?.placementStats?.constraintViolations === 1 && status;
  });
  assert.deepEqual(told.usedByVMs, [{ name: "web" }]);
  assert.deepEqual(told.placementStats?.placementDistribution, { a: 1 });
  assert.equal(findCondition(told.conditions, "Satisfied")?.status, "False");
  assert.equal((await get("web")).status?.host, "a");
  await client.mergePatch(
    VMPlacementPolicy,
    { namespace, name: "first-zone" },
    { spec: { hard: { excludedHosts: [] } } },
  );
  await satisfied("True");
  await client.mergePatch(
    VMPlacementPolicy,
    { namespace, name: "first-zone" },
    { spec: { hard: { folders: ["/x"] } } },
  );
  await until("the policy says that nobody can follow it", async () => {
    const found = findCondition((await policy()).status?.conditions, "Ready");
    return found?.reason === "Unsupported" && /spec\.hard\.folders/.test(found.message);
  });
});

test("a host is cordoned and tainted: only who tolerates it lands there, and who is there stays", async (t) => {
  const { client, create, ready, get } = await lab(t);
  await create("there", { placement: { hostSelector: { zone: "2" } } });
  await ready("there");
  const taints = [{ key: "dedicated", value: "db", effect: "NoSchedule" }];
  await client.mergePatch(Host, { namespace, name: "b" }, { spec: { taints } });
  await create("other");
  assert.equal((await ready("other")).status?.host, "a");
  await create("db", { placement: { tolerations: [{ key: "dedicated", operator: "Exists" }] } });
  assert.equal((await ready("db")).status?.host, "b");
  await client.mergePatch(Host, { namespace, name: "b" }, { spec: { unschedulable: true } });
  await create("late", { placement: { tolerations: [{ key: "dedicated", operator: "Exists" }] } });
  assert.equal((await ready("late")).status?.host, "a");
  assert.equal((await get("there")).status?.powerState, "On");
});

test("a host that is down makes its VMs Unknown; they stay bound, and are never made elsewhere", async (t) => {
  const { client, clock, create, get, ready, restart, sim, until } = await lab(t);
  await create("here", { placement: { host: "b" } });
  await create("there", { placement: { host: "a" } });
  await ready("here");
  await ready("there");
  sim("b").disconnect();
  await until("here is Unknown", async () => readyOf(await get("here"))?.status === "Unknown");
  const provider = await until("the Provider says which", async () => {
    const found = await client.get(Provider, { namespace, name: "rack" });
    return readyOf(found)?.reason === "PartlyConnected" && found;
  });
  assert.match(readyOf(provider)?.message ?? "", /Connected to a; not to b: /);
  assert.equal(readyOf(await get("there"))?.status, "True");
  await restart();
  for (let minute = 0; minute < 10; minute++) await clock.advance(60_000);
  await create("next");
  assert.equal((await ready("next")).status?.host, "a");
  assert.equal((await get("here")).status?.host, "b");
  assert.deepEqual([...sim("a").world.domains.values()].map(({ name }) => name).toSorted(), ["next", "there"]);
  const [before] = [...sim("b").world.domains.values()];
  sim("b").reconnect();
  await ready("here");
  assert.deepEqual([...sim("b").world.domains.values()], [before]);
});

test("a host that the Provider loses takes its VMs along as Unknown; a VM cannot be moved by its spec", async (t) => {
  const { client, create, get, ready, reason, sim, until } = await lab(t);
  await create("web", { placement: { host: "a" } });
  await ready("web");
  await client.mergePatch(VirtualMachine, { namespace, name: "web" }, { spec: { placement: { host: "b" } } });
  await until("the move is refused", async () =>
    (await get("web")).status?.conditions?.some(({ message }) => /cannot be (moved|resolved)/.test(message)),
  );
  assert.equal(sim("b").world.domains.size, 0);
  await client.mergePatch(
    Provider,
    { namespace, name: "rack" },
    { spec: { hosts: [{ name: "b", endpoint: "sim://b" }] } },
  );
  const lost = await reason("web", "ProviderUnavailable");
  assert.match(lost.status?.message ?? "", /Host "a" of Provider "default\/rack" is none of its hosts/);
  assert.equal(sim("b").world.domains.size, 0);
});
