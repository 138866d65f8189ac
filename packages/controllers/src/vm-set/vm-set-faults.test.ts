// A set on several hosts, under a hard rule, while its spec changes at random, one call of the hypervisors in twenty fails and the server is
// killed: no more machines are taken away than may be absent, none is ever where the rule forbids, and in the end all is as declared.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { findCondition, Provider, VirtualMachine, VMPlacementPolicy, VMSet } from "@vivarium/api";
import type { VMSetSpec } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { createSimulatedHypervisor } from "@vivarium/provider";
import type { ProviderFactory } from "@vivarium/provider";
import { createManager, ManualClock } from "@vivarium/runtime";
import { createHostController } from "../host.ts";
import { HostReports } from "../host-reports.ts";
import { OpenProviders } from "../open-providers.ts";
import { createProviderController } from "../provider.ts";
import { headOf } from "../testing/controllers-lab.ts";
import { createReadyImage } from "../testing/ready-image.ts";
import { eventually } from "../testing/eventually.ts";
import { flakyProvider, seededRandom } from "../testing/flaky-provider.ts";
import { startApi } from "../testing/start-api.ts";
import { createPlacer } from "../virtual-machine/host-chooser.ts";
import { createVirtualMachineController } from "../virtual-machine/virtual-machine.ts";
import { createVmSetController } from "./vm-set.ts";

const namespace = "default";
const hosts = ["a", "b", "forbidden"];
const share = 0.05;
const happenings = 25;

test(
  "whatever happens, a set keeps to its limits and its rule, and ends as declared",
  { timeout: 300_000 },
  async (t) => {
    const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    const random = seededRandom(seed);
    const upTo = (most: number): number => Math.floor(random() * (most + 1));
    const lab = await setLab(t, random);
    for (let count = 0; count < happenings; count += 1) {
      const kind = upTo(5);
      if (kind === 0) await lab.restart();
      else if (kind === 1) await lab.change({ replicas: 1 + upTo(4) });
      else if (kind === 2) await lab.change({ template: templateOf(1 + upTo(3)) });
      else if (kind === 3) await lab.change({ paused: random() < 0.3 });
      else if (kind === 4) await lab.change({ updateStrategy: strategyOf(1 + upTo(1), upTo(1), random() < 0.5) });
      await lab.pass(1_000 + upTo(40_000));
    }
    await lab.change({ paused: false });
    await lab.untilAsDeclared(`seed ${seed}`);
    assert.deepEqual(lab.violations, [], `seed ${seed}`);
  },
);

function templateOf(cpu: number): VMSetSpec["template"] {
  const spec = { imageRef: { name: "debian" }, resources: { cpu, memoryMiB: 256 }, placementRef: { name: "allowed" } };
  return { metadata: { labels: { app: "web" } }, spec };
}

function strategyOf(
  maxUnavailable: number,
  maxSurge: number,
  isOrdered: boolean,
): NonNullable<VMSetSpec["updateStrategy"]> {
  const podManagementPolicy = isOrdered ? "OrderedReady" : "Parallel";
  return { type: "RollingUpdate", rollingUpdate: { maxUnavailable, maxSurge, podManagementPolicy } };
}

async function setLab(t: TestContext, random: () => number) {
  const { client, logger } = await startApi(t);
  const clock = new ManualClock(Date.now());
  const sims = new Map(hosts.map((name) => [name, createSimulatedHypervisor({ clock, guest: { leaseMs: 100 } })]));
  const factory: ProviderFactory = {
    type: "sim",
    open: ({ endpoint }) => {
      const sim = sims.get(endpoint.slice("sim://".length));
      assert.ok(sim !== undefined);
      return flakyProvider(sim.open(), { random, share, onFailure: () => undefined });
    },
  };
  await prepare(client, sims);
  const violations: string[] = [];
  let spec: VMSetSpec = {
    replicas: 3,
    selector: { matchLabels: { app: "web" } },
    template: templateOf(1),
    updateStrategy: strategyOf(1, 1, false),
  };
  await client.create(VMSet, { ...headOf(VMSet, "web"), spec });
  /** The spec as it was a moment ago may be what the set goes by. */
  let floor = 0;
  const taken = new Set<string>();
  let stop: () => Promise<void> = () => Promise.resolve();
  const boot = (): void => {
    /** What the set may have seen when it decided. */
    const views: (readonly VirtualMachine[])[] = [];
    const manager = createManager({ client: watched(client, { see, judge }), logger, clock, random: () => 0 });
    const machines = manager.cache(VirtualMachine);
    function see(): void {
      views.push(machines.list());
      if (views.length > 20) views.shift();
    }
    function judge(name: string): void {
      const left = views.map((view) => {
        const serving = view.filter((vm) => isAvailable(vm) && !taken.has(vm.metadata.uid ?? ""));
        const victim = serving.find((vm) => vm.metadata.name === name);
        return victim === undefined ? Number.POSITIVE_INFINITY : serving.length - 1;
      });
      for (const { metadata } of machines.list()) if (metadata.name === name) taken.add(metadata.uid ?? "");
      const most = Math.max(...left);
      if (most < floor) violations.push(`${name} was deleted, which left ${most} of at least ${floor}`);
    }
    const providers = new OpenProviders(new Map([["sim", factory]]));
    const reports = new HostReports();
    const placer = createPlacer(manager);
    manager.add(createProviderController({ manager, reports, clock }));
    manager.add(createHostController({ manager, providers, reports, clock }));
    manager.add(createVirtualMachineController({ manager, providers, clock, placer, random: () => 0 }));
    manager.add(createVmSetController({ manager, providers, clock, random: () => 0 }));
    const stopping = new AbortController();
    const done = manager.run({ signal: stopping.signal });
    stop = async () => {
      stopping.abort();
      await done;
    };
  };
  boot();
  t.after(() => stop());
  const domains = () => hosts.flatMap((name) => [...(sims.get(name)?.world.domains.values() ?? [])]);
  return {
    violations,
    async restart() {
      await stop();
      boot();
    },
    async change(change: Partial<VMSetSpec>) {
      const before = floorOf(spec);
      spec = { ...spec, ...change };
      floor = Math.min(before, floorOf(spec));
      await client.mergePatch(VMSet, { namespace, name: "web" }, { spec: change });
    },
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 1_000) {
        await clock.advance(1_000);
        await new Promise((resolve) => setImmediate(resolve));
        if ((sims.get("forbidden")?.world.domains.size ?? 0) > 0)
          violations.push("a machine is where the rule forbids it");
      }
    },
    async untilAsDeclared(what: string) {
      await eventually(
        async () => {
          await clock.advance(1_000);
          const { status, metadata } = await client.get(VMSet, { namespace, name: "web" });
          const { replicas = 1 } = spec;
          const counts = [status?.replicas, status?.readyReplicas, status?.updatedReplicas];
          return (
            status?.observedGeneration === metadata.generation &&
            counts.every((count) => count === replicas) &&
            domains().length === replicas &&
            domains().every(({ definition }) => definition?.cpus === spec.template.spec.resources?.cpu)
          );
        },
        `all is as declared (${what})`,
        { withinMs: 240_000 },
      );
    },
  };
}

function floorOf({ replicas = 1, updateStrategy }: VMSetSpec): number {
  const { maxUnavailable = 0, maxSurge = 0 } = updateStrategy?.rollingUpdate ?? {};
  assert.ok(typeof maxUnavailable === "number" && typeof maxSurge === "number");
  return replicas - (maxSurge === 0 ? Math.max(1, maxUnavailable) : maxUnavailable);
}

function isAvailable({ metadata, status }: VirtualMachine): boolean {
  return metadata.deletionTimestamp === undefined && findCondition(status?.conditions, "Ready")?.status === "True";
}

/** Machines are deleted by their set alone. */
function watched(
  client: Client,
  { see, judge }: { readonly see: () => void; readonly judge: (name: string) => void },
): Client {
  return new Proxy(client, {
    get(target, verb) {
      const call: unknown = Reflect.get(target, verb);
      if (typeof call !== "function") return call;
      return (...args: readonly unknown[]): unknown => {
        see();
        const [type, key] = args;
        if (verb === "delete" && type === VirtualMachine) judge((key as { readonly name: string }).name);
        return Reflect.apply(call, target, args);
      };
    },
  });
}

async function prepare(
  client: Client,
  sims: ReadonlyMap<string, ReturnType<typeof createSimulatedHypervisor>>,
): Promise<void> {
  const named = hosts.map((name) => ({ name, endpoint: `sim://${name}` }));
  await client.create(Provider, { ...headOf(Provider, "rack"), spec: { type: "sim", hosts: named } });
  await client.create(VMPlacementPolicy, {
    ...headOf(VMPlacementPolicy, "allowed"),
    spec: { hard: { hosts: hosts.filter((name) => name !== "forbidden") } },
  });
  await createReadyImage(client, Object.fromEntries([...sims].map(([name, sim]) => [`rack@${name}`, sim])));
}
