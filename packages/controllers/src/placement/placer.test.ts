import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneLabel } from "@vivarium/api";
import type {
  Host,
  Provider,
  ProviderSpec,
  VirtualMachine,
  VirtualMachineSpec,
  VirtualMachineStatus,
  VMPlacementPolicy,
  VMPlacementPolicySpec,
} from "@vivarium/api";
import * as fc from "fast-check";
import { chooseHost } from "../virtual-machine/host-chooser.ts";
import { planDrain, planRebalance } from "./moves.ts";
import { Placer } from "./placer.ts";

const gib = 1024 ** 3;
const namespace = "default";
const infra = "infra.virtrigaud.io/v1beta1";

function rack(count: number, spec: Partial<ProviderSpec> = {}): Provider {
  const hosts = Array.from({ length: count }, (_, index) => ({ name: `h${index}`, endpoint: `sim://${index}` }));
  return {
    apiVersion: infra,
    kind: "Provider",
    metadata: { namespace, name: "rack" },
    spec: { type: "sim", hosts, ...spec },
  };
}

function hostObject(name: string, { cpus = 8, memory = 8, spec = {}, labels = {} } = {}): Host {
  return {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "Host",
    metadata: { namespace, name, labels },
    spec: { providerRef: { name: "rack" }, ...spec },
    status: {
      allocatable: { cpus, memoryBytes: memory * gib },
      conditions: [{ type: "Ready", status: "True", reason: "Connected", message: "", lastTransitionTime: "" }],
    },
  };
}

function machine(
  name: string,
  spec: Partial<VirtualMachineSpec> = {},
  status?: Partial<VirtualMachineStatus>,
): VirtualMachine {
  return {
    apiVersion: infra,
    kind: "VirtualMachine",
    metadata: { namespace, name, uid: name },
    spec: { resources: { cpu: 1, memoryMiB: 1024 }, ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

function placerOf(
  provider: Provider,
  hosts: readonly Host[],
  policies: Readonly<Record<string, VMPlacementPolicySpec>> = {},
): Placer {
  const objects = new Map<string, VMPlacementPolicy>(
    Object.entries(policies).map(([name, spec]) => [
      name,
      { apiVersion: infra, kind: "VMPlacementPolicy", metadata: { namespace, name }, spec },
    ]),
  );
  return new Placer({
    providers: () => [provider],
    provider: ({ name }) => (name === provider.metadata.name ? provider : undefined),
    host: ({ name }) => hosts.find(({ metadata }) => metadata.name === name),
    vmClass: () => undefined,
    policy: ({ name }) => objects.get(name),
    namespaceLabels: () => ({}),
  });
}

function running(vm: VirtualMachine, host: string): VirtualMachine {
  const { cpu, memoryMiB } = vm.spec.resources ?? {};
  const currentResources = { ...(cpu === undefined ? {} : { cpu }), ...(memoryMiB === undefined ? {} : { memoryMiB }) };
  return { ...vm, status: { host, powerState: "On", currentResources, provider: { madeOn: "default/rack" } } };
}

test("1,000 VMs at once on 20 hosts: none is over-committed before a single status says where they are", () => {
  const provider = rack(20);
  const hosts = Array.from({ length: 20 }, (_, index) => hostObject(`h${index}`, { cpus: 32, memory: 64 }));
  const placer = placerOf(provider, hosts);
  const taken = new Map<string, { cpus: number; memoryMiB: number }>();
  let refused = 0;
  for (let index = 0; index < 1000; index++) {
    const resources = { cpu: 1 + (index % 3), memoryMiB: 1024 * (1 + (index % 4)) };
    const vm = machine(`vm-${index}`, { resources });
    placer.ledger.set(vm);
    const choice = chooseHost(vm, provider, placer);
    if (choice?.kind !== "chosen") {
      refused += 1;
      continue;
    }
    placer.ledger.bind(vm, choice.host);
    const before = taken.get(choice.host) ?? { cpus: 0, memoryMiB: 0 };
    taken.set(choice.host, {
      cpus: before.cpus + resources.cpu,
      memoryMiB: before.memoryMiB + resources.memoryMiB,
    });
  }
  for (const { cpus, memoryMiB } of taken.values()) assert.ok(cpus <= 32 && memoryMiB <= 64 * 1024);
  // 20 × 32 CPUs are taken to the last.
  assert.equal(
    [...taken.values()].reduce((sum, { cpus }) => sum + cpus, 0),
    640,
  );
  assert.ok(refused > 0);
});

test("a VM whose status says where it is by now is counted once", () => {
  const provider = rack(1, { hostPolicy: {} });
  const placer = placerOf(provider, [hostObject("h0", { memory: 2 })]);
  const first = machine("first");
  placer.ledger.set(first);
  assert.equal(chooseHost(first, provider, placer), undefined);
  placer.ledger.set(running(first, "h0"));
  placer.ledger.set(running(first, "h0"));
  const second = machine("second");
  assert.equal(chooseHost(second, provider, placer), undefined);
  const third = chooseHost(machine("third"), provider, placer);
  assert.equal(third?.kind, "none");
  placer.ledger.delete("first");
  assert.equal(chooseHost(machine("third"), provider, placer), undefined);
});

test("the only host of a Provider takes what comes where nobody set a limit, but not what a policy forbids", () => {
  const provider = rack(1);
  const placer = placerOf(provider, [hostObject("h0", { memory: 1 })], {
    apart: { antiAffinity: { hostAntiAffinity: true } },
  });
  for (let index = 0; index < 5; index++) assert.equal(chooseHost(machine(`vm-${index}`), provider, placer), undefined);
  const lone = { placementRef: { name: "apart" } };
  assert.equal(chooseHost(machine("one", lone), provider, placer), undefined);
  assert.equal(chooseHost(machine("two", lone), provider, placer)?.kind, "none");
});

test("a VM that runs grows only into room that there is, and what it was granted is held from then on", () => {
  const provider = rack(2);
  const placer = placerOf(provider, [hostObject("h0", { memory: 4 }), hostObject("h1", { memory: 4 })]);
  const grown = { resources: { cpu: 1, memoryMiB: 3072 } };
  placer.ledger.set(running(machine("a"), "h0"));
  placer.ledger.set(running(machine("b"), "h0"));
  const bigger = (name: string) => ({ ...running(machine(name), "h0"), spec: machine(name, grown).spec });
  placer.ledger.set(bigger("a"));
  assert.deepEqual(placer.claimRoom(bigger("a"), provider), []);
  placer.ledger.set(bigger("b"));
  assert.match(placer.claimRoom(bigger("b"), provider)[0]?.message ?? "", /1024 MiB of memory left of 4096 MiB/);
});

test("a machine that is being moved holds its room on both hosts", () => {
  const provider = rack(2);
  const placer = placerOf(provider, [hostObject("h0"), hostObject("h1", { memory: 1 })]);
  const moving = {
    migration: "m",
    uid: "m",
    from: "h0",
    to: "h1",
    mode: "Live",
    storage: "Copied",
    stage: "Moving",
    since: "2026-01-01T00:00:00Z",
  } as const;
  const vm = running(machine("a"), "h0");
  placer.ledger.set({ ...vm, status: { ...vm.status, moving } });
  assert.deepEqual(
    ["h0", "h1"].map((name) => placer.ledger.takenOn("default/rack", name, "").memoryBytes),
    [gib, gib],
  );
  const { moving: _, ...there } = { ...vm.status, host: "h1", moving };
  placer.ledger.set({ ...vm, status: there });
  assert.equal(placer.ledger.takenOn("default/rack", "h0", "").memoryBytes, 0);
});

type Act =
  | {
      readonly kind: "create" | "start" | "stop" | "delete" | "grow" | "look";
      readonly vm: number;
      /** The controller looks at it before anything else happens. */
      readonly isSeen: boolean;
    }
  | { readonly kind: "restart" };

const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 15,
    arbitrary: fc.record({
      kind: fc.constantFrom("create", "create", "start", "start", "stop", "delete", "grow", "look"),
      vm: fc.integer({ min: 0, max: 5 }),
      isSeen: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" } as const) },
);

test("whatever is created, stopped, started, grown and deleted, and whenever the process dies: what runs never exceeds a host", () => {
  fc.assert(
    fc.property(
      fc.array(anyAct, { minLength: 20, maxLength: 80, size: "max" }),
      fc.integer({ min: 2, max: 5 }),
      (acts, memory) => {
        const provider = rack(2);
        const hosts = [hostObject("h0", { memory }), hostObject("h1", { memory: 3 })];
        let placer = placerOf(provider, hosts);
        /** As the API has them, and what really runs. */
        const objects = new Map<number, VirtualMachine>();
        const world = new Map<number, { readonly host: string; readonly memoryMiB: number }>();
        const write = (vm: number, object: VirtualMachine): void => {
          objects.set(vm, object);
          placer.ledger.set(object);
        };
        /** One look of the VirtualMachine controller at it. */
        const look = (vm: number): void => {
          const found = objects.get(vm);
          if (found === undefined) return;
          const { powerState = "On", resources } = found.spec;
          const memoryMiB = resources?.memoryMiB ?? 0;
          if (powerState === "Off") {
            world.delete(vm);
            const conditions = [
              { type: "Ready", status: "False", reason: "Stopped", message: "", lastTransitionTime: "" } as const,
            ];
            if (found.status?.host !== undefined)
              write(vm, { ...found, status: { ...found.status, powerState: "Off", conditions } });
            return;
          }
          const choice = chooseHost(found, provider, placer);
          if (choice?.kind === "none") return;
          if (choice?.kind === "chosen") {
            placer.ledger.bind(found, choice.host);
            write(vm, { ...found, status: { host: choice.host, provider: { madeOn: "default/rack" } } });
          }
          const bound = objects.get(vm) ?? found;
          if (placer.claimRoom(bound, provider).length > 0) return;
          const host = bound.status?.host ?? "";
          world.set(vm, { host, memoryMiB });
          const { conditions: _, ...status } = bound.status ?? {};
          write(vm, { ...bound, status: { ...status, powerState: "On", currentResources: { cpu: 1, memoryMiB } } });
        };
        for (const act of acts) {
          if (act.kind === "restart") {
            placer = placerOf(provider, hosts);
            for (const object of objects.values()) placer.ledger.set(object);
            continue;
          }
          const found = objects.get(act.vm);
          const change = (spec: Partial<VirtualMachineSpec>): void => {
            if (found !== undefined) write(act.vm, { ...found, spec: { ...found.spec, ...spec } });
          };
          if (act.kind === "create" && found === undefined) write(act.vm, machine(`vm-${act.vm}`));
          if (act.kind === "start") change({ powerState: "On" });
          if (act.kind === "stop") change({ powerState: "Off" });
          if (act.kind === "grow") change({ resources: { cpu: 1, memoryMiB: 2048 } });
          if (act.kind === "delete" && found !== undefined) {
            objects.delete(act.vm);
            world.delete(act.vm);
            placer.ledger.delete(`vm-${act.vm}`);
          }
          if (act.isSeen) look(act.vm);
          for (const [index, most] of [memory, 3].entries()) {
            const used = [...world.values()].filter(({ host }) => host === `h${index}`);
            assert.ok(used.reduce((sum, { memoryMiB }) => sum + memoryMiB, 0) <= most * 1024);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

test("a drain plans each move with the ones before it counted, and names what cannot leave", () => {
  const provider = rack(3);
  const hosts = [hostObject("h0"), hostObject("h1", { memory: 2 }), hostObject("h2", { memory: 1 })];
  const placer = placerOf(provider, hosts);
  const machines = [
    ...["a", "b", "c", "d"].map((name) => running(machine(name), "h0")),
    running(machine("pinned", { placement: { host: "h0" } }), "h0"),
    running(machine("elsewhere"), "h2"),
  ];
  for (const vm of machines) placer.ledger.set(vm);
  const plan = planDrain(placer, { provider, host: "h0", machines });
  assert.deepEqual(
    plan.moves.map(({ vm, to }) => [vm.metadata.name, to]),
    [
      ["a", "h1"],
      ["b", "h1"],
    ],
  );
  assert.deepEqual(
    plan.stays.map(({ vm }) => vm.metadata.name),
    ["c", "d", "pinned"],
  );
  assert.match(plan.stays[0]?.why ?? "", /^h1: it has 0 MiB of memory left of 2048 MiB/);
  assert.match(plan.stays[2]?.why ?? "", /spec\.placement\.host names "h0"/);
});

test("a rebalance first brings back what is where it may not be, then empties the fullest host; a second one has nothing to do", () => {
  const provider = rack(2);
  const hosts = [
    hostObject("h0", { labels: { [zoneLabel]: "east" } }),
    hostObject("h1", { labels: { [zoneLabel]: "west" } }),
  ];
  const policies = { west: { hard: { zones: ["west"] } } };
  const placer = placerOf(provider, hosts, policies);
  const machines = [
    running(machine("misplaced", { placementRef: { name: "west" } }), "h0"),
    ...["a", "b", "c", "d"].map((name) => running(machine(name), "h0")),
  ];
  for (const vm of machines) placer.ledger.set(vm);
  const plan = planRebalance(placer, { provider, machines });
  assert.equal(plan.moves[0]?.vm.metadata.name, "misplaced");
  assert.match(plan.moves[0]?.why ?? "", /its zone is "east"/);
  assert.ok(plan.moves.length > 1 && plan.moves.length < 4);
  const moved = new Map(plan.moves.map(({ vm, to }) => [vm.metadata.name, to]));
  const after = placerOf(provider, hosts, policies);
  const now = machines.map((vm) => running(vm, moved.get(vm.metadata.name) ?? "h0"));
  for (const vm of now) after.ledger.set(vm);
  assert.deepEqual(planRebalance(after, { provider, machines: now }), { moves: [], stays: [] });
});

test("of two machines that are to be moved to a host with room for one, the second is told", () => {
  const provider = rack(2);
  const placer = placerOf(provider, [hostObject("h0"), hostObject("h1", { memory: 1 })]);
  const [first, second] = [running(machine("first"), "h0"), running(machine("second"), "h0")];
  placer.ledger.set(first);
  placer.ledger.set(second);
  for (const vm of [first, second]) assert.deepEqual(placer.whyNotTo(vm, { provider, to: "h1" }).room, []);
  assert.deepEqual(placer.claimTarget(first, { provider, to: "h1" }), []);
  assert.match(placer.claimTarget(second, { provider, to: "h1" })[0]?.message ?? "", /0 MiB of memory left/);
  // The move was not written down after all.
  placer.ledger.set(first);
  assert.deepEqual(placer.claimTarget(second, { provider, to: "h1" }), []);
});
