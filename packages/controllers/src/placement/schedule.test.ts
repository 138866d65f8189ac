import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneLabel } from "@vivarium/api";
import type { VMPlacementPolicy, VMPlacementPolicySpec } from "@vivarium/api";
import * as fc from "fast-check";
import type { Surroundings } from "./filter.ts";
import type { Labels, Machine, PlacedMachine, Placement, PlacementHost, PlacementWish } from "./model.ts";
import { rulesOf } from "./rules.ts";
import { schedule } from "./schedule.ts";
import { summaryOf } from "./summary.ts";

const gib = 1024 ** 3;

function host(name: string, more: Partial<PlacementHost> = {}): PlacementHost {
  return {
    name,
    labels: {},
    isUnschedulable: false,
    taints: [],
    room: { kind: "limited", cpus: 8, memoryBytes: 8 * gib },
    taken: { cpus: 0, memoryBytes: 0 },
    features: new Set(),
    cluster: "rack",
    datastore: { name: "vivarium", id: `${name}/vivarium` },
    ...more,
  };
}

function machine(name: string, more: Partial<Machine> = {}): Machine {
  return { uid: name, namespace: "default", name, labels: {}, ...more };
}

function wish(more: Partial<PlacementWish> = {}): PlacementWish {
  return {
    machine: machine("new"),
    amount: { cpus: 1, memoryBytes: gib },
    selector: {},
    tolerations: [],
    hasSecureBoot: false,
    hasTpm: false,
    problems: [],
    ...more,
  };
}

function around(
  hosts: readonly PlacementHost[],
  {
    machines = [],
    policies = {},
    namespaces = {},
  }: {
    readonly machines?: readonly PlacedMachine[];
    readonly policies?: Readonly<Record<string, VMPlacementPolicySpec>>;
    readonly namespaces?: Readonly<Record<string, Labels>>;
  } = {},
): Surroundings {
  const objects = new Map(Object.entries(policies).map(([name, spec]) => [name, policy(name, spec)]));
  return {
    hosts,
    machines: () => machines,
    followers: () => machines.filter((each) => each.policy !== undefined),
    rulesOf: (each) => {
      const found = each.policy === undefined ? undefined : objects.get(each.policy);
      return found && rulesOf(found);
    },
    labelsOf: (name) => namespaces[name] ?? {},
  };
}

function policy(name: string, spec: VMPlacementPolicySpec): VMPlacementPolicy {
  return { apiVersion: "infra.virtrigaud.io/v1beta1", kind: "VMPlacementPolicy", metadata: { name }, spec };
}

function hostOf(placement: Placement): string | undefined {
  return placement.kind === "chosen" ? placement.host : undefined;
}

function whyNot(placement: Placement): string {
  assert.equal(placement.kind, "none");
  return placement.kind === "none" ? summaryOf(placement) : "";
}

/** Of a machine that follows this policy, beside others that do. */
function under(
  spec: VMPlacementPolicySpec,
  hosts: readonly PlacementHost[],
  machines: readonly PlacedMachine[] = [],
): Placement {
  const own = machine("new", { policy: "p", labels: { app: "web" } });
  return schedule(wish({ machine: own }), around(hosts, { machines, policies: { p: spec } }));
}

const on = (name: string, place: string, more: Partial<Machine> = {}): PlacedMachine => ({
  ...machine(name, more),
  host: place,
});

test("the host with the largest free share is chosen; of equals the larger one, then the first by name", () => {
  const used = { cpus: 1, memoryBytes: gib };
  assert.equal(hostOf(schedule(wish(), around([host("b", { taken: used }), host("c"), host("d")]))), "c");
  const large = host("z", {
    room: { kind: "limited", cpus: 16, memoryBytes: 16 * gib },
    taken: { cpus: 1, memoryBytes: gib },
  });
  assert.equal(hostOf(schedule(wish(), around([host("a"), large]))), "z");
});

test("a host that is named is taken though it is down, unschedulable or tainted, but not beyond its room", () => {
  const down = host("a", {
    notReady: "down",
    isUnschedulable: true,
    taints: [{ key: "x", effect: "NoSchedule" }],
  });
  assert.equal(hostOf(schedule(wish({ host: "a" }), around([down, host("b")]))), "a");
  const full = host("a", { taken: { cpus: 0, memoryBytes: 8 * gib } });
  assert.match(
    whyNot(schedule(wish({ host: "a" }), around([full, host("b")]))),
    /a: it has 0 MiB of memory left of 8192 MiB/,
  );
  assert.match(whyNot(schedule(wish({ host: "x" }), around([host("a"), host("b")]))), /names "x"; there are a, b/);
});

test("for each host it says all that is in the way, and counts hosts by reason", () => {
  const zoned = { labels: { zone: "1" } };
  const placement = schedule(
    wish({ amount: { cpus: 4, memoryBytes: 4 * gib }, selector: { zone: "1" } }),
    around([
      host("a"),
      host("b", { ...zoned, notReady: "no answer" }),
      host("c", { ...zoned, isUnschedulable: true }),
      host("d", { ...zoned, taken: { cpus: 6, memoryBytes: 6 * gib } }),
      host("e", { ...zoned, taints: [{ key: "dedicated", value: "db", effect: "NoSchedule" }] }),
      host("f", { ...zoned, room: { kind: "unknown" } }),
    ]),
  );
  assert.deepEqual(
    placement.verdicts.map((each) => `${each.host}: ${each.obstacles.map(({ message }) => message).join(", ")}`),
    [
      'a: its label zone is not "1"',
      "b: it is not ready (no answer)",
      "c: it is unschedulable",
      "d: it has 2048 MiB of memory left of 8192 MiB, the VM wants 4096 MiB, it has 2 CPUs left of 8, the VM wants 4",
      "e: its taint dedicated=db:NoSchedule is not tolerated",
      "f: its size is not known yet",
    ],
  );
  assert.match(
    whyNot(placement),
    /^0\/6 hosts can take the VM: 1 not ready, 1 of unknown size, 1 unschedulable, 1 with a taint .*; 1 more\)$/,
  );
});

const dedicated = { key: "dedicated", value: "db", effect: "NoSchedule" } as const;
for (const [what, toleration, isTolerated] of [
  ["its key and value", { key: "dedicated", value: "db" }, true],
  ["its key alone, with Exists", { key: "dedicated", operator: "Exists" }, true],
  ["everything", { operator: "Exists" }, true],
  ["another value", { key: "dedicated", value: "web" }, false],
  ["another effect", { key: "dedicated", value: "db", effect: "NoExecute" }, false],
] as const) {
  test(`a taint is ${isTolerated ? "" : "not "}tolerated by who tolerates ${what}`, () => {
    const placement = schedule(wish({ tolerations: [toleration] }), around([host("a", { taints: [dedicated] })]));
    assert.equal(hostOf(placement), isTolerated ? "a" : undefined);
  });
}

test("a host with PreferNoSchedule is taken only when no other can be", () => {
  const avoided = host("a", { taints: [{ key: "old", effect: "PreferNoSchedule" }] });
  const busy = host("b", { taken: { cpus: 6, memoryBytes: 6 * gib } });
  assert.equal(hostOf(schedule(wish(), around([avoided, busy]))), "b");
  assert.equal(hostOf(schedule(wish(), around([avoided]))), "a");
});

const zones = [
  host("a", { labels: { [zoneLabel]: "east" } }),
  host("b", { labels: { [zoneLabel]: "east" }, cluster: "other", datastore: { name: "ssd", id: "ssd" } }),
  host("c", {
    labels: { [zoneLabel]: "west" },
    features: new Set(["uefi"]),
    capacity: { cpus: 4, memoryBytes: 8 * gib },
  }),
];
const mate = (name: string, place: string, labels: Labels = {}) => on(name, place, { policy: "p", labels });

for (const [rule, spec, machines, expected] of [
  ["hosts of spec.hard", { hard: { hosts: ["b"] } }, [], "b"],
  ["clusters of spec.hard", { hard: { clusters: ["other"] } }, [], "b"],
  ["datastores of spec.hard", { hard: { datastores: ["ssd"] } }, [], "b"],
  ["zones of spec.hard", { hard: { zones: ["west"] } }, [], "c"],
  ["excluded hosts", { hard: { excludedHosts: ["a", "b"] } }, [], "c"],
  ["excluded clusters", { hard: { excludedClusters: ["rack"] } }, [], "b"],
  ["labels of spec.hard", { hard: { nodeSelector: { [zoneLabel]: "west" } } }, [], "c"],
  ["soft zones", { soft: { zones: ["west"] } }, [], "c"],
  ["features", { resourceConstraints: { requiredFeatures: ["uefi"] } }, [], "c"],
  ["preferred features", { resourceConstraints: { preferredFeatures: ["uefi"] } }, [], "c"],
  ["the least size", { resourceConstraints: { minCPUPerHost: 4 } }, [], "c"],
  [
    "host anti-affinity, as a switch",
    { antiAffinity: { hostAntiAffinity: true } },
    [mate("1", "a"), mate("2", "b")],
    "c",
  ],
  [
    "host anti-affinity with a limit",
    { antiAffinity: { hostAntiAffinity: { enabled: true, maxVMsPerHost: 2 } } },
    [mate("1", "a"), mate("2", "a"), mate("3", "b"), mate("4", "b"), mate("5", "c")],
    "c",
  ],
  ["zone anti-affinity", { antiAffinity: { zoneAntiAffinity: true } }, [mate("1", "a")], "c"],
  ["cluster anti-affinity", { antiAffinity: { clusterAntiAffinity: true } }, [mate("1", "a")], "b"],
  ["datastore anti-affinity", { antiAffinity: { datastoreAntiAffinity: true } }, [mate("1", "a"), mate("2", "b")], "c"],
  [
    "preferred anti-affinity, spread evenly",
    { antiAffinity: { hostAntiAffinity: { enabled: true, scope: "preferred" } } },
    [mate("1", "a"), mate("2", "b"), mate("3", "b"), mate("4", "c"), mate("5", "c")],
    "a",
  ],
  ["host affinity", { affinity: { hostAffinity: true } }, [mate("1", "c")], "c"],
  ["zone affinity", { affinity: { zoneAffinity: true } }, [mate("1", "c")], "c"],
  ["host affinity with names", { affinity: { hostAffinity: { enabled: true, preferredHosts: ["b"] } } }, [], "b"],
  [
    "preferred zones",
    { affinity: { zoneAffinity: { enabled: true, scope: "preferred", preferredZones: ["west"] } } },
    [],
    "c",
  ],
  [
    "application affinity",
    { affinity: { applicationAffinity: { enabled: true } } },
    [on("1", "b", { labels: { app: "web" } }), on("2", "c", { labels: { app: "db" } })],
    "b",
  ],
  [
    "application anti-affinity",
    { antiAffinity: { applicationAntiAffinity: { enabled: true } } },
    [on("1", "a", { labels: { app: "web" } }), on("2", "b", { labels: { app: "web" } })],
    "c",
  ],
  [
    "affinity to machines with labels",
    {
      affinity: {
        vmAffinity: {
          requiredDuringScheduling: [{ topologyKey: zoneLabel, labelSelector: { matchLabels: { app: "db" } } }],
        },
      },
    },
    [on("1", "c", { labels: { app: "db" } })],
    "c",
  ],
  [
    "anti-affinity to machines of other namespaces",
    {
      antiAffinity: {
        vmAntiAffinity: {
          requiredDuringScheduling: [
            { topologyKey: zoneLabel, matchExpressions: [{ key: "app", operator: "Exists" }], namespaces: ["data"] },
          ],
        },
      },
    },
    [on("1", "a", { namespace: "data", labels: { app: "db" } }), on("2", "c", { labels: { app: "db" } })],
    "c",
  ],
  [
    "preferred affinity",
    {
      affinity: {
        vmAffinity: {
          preferredDuringScheduling: [
            { weight: 5, vmAffinityTerm: { topologyKey: "kubernetes.io/hostname", labelSelector: {} } },
          ],
        },
      },
    },
    [on("1", "b")],
    "b",
  ],
] as const satisfies readonly (readonly [string, VMPlacementPolicySpec, readonly PlacedMachine[], string])[]) {
  test(`the policy is kept: ${rule}`, () => {
    assert.equal(hostOf(under(spec, zones, machines)), expected);
  });
}

test("where a strict rule leaves no host, each host's verdict names the rule", () => {
  const placement = under(
    { antiAffinity: { hostAntiAffinity: true } },
    [host("a"), host("b")],
    [mate("1", "a"), mate("2", "b")],
  );
  assert.match(
    whyNot(placement),
    /^0\/2 hosts can take the VM: 2 with machines to be apart from \(a: 1 machine of it is in the same host \(spec\.antiAffinity\.hostAntiAffinity\)/,
  );
});

test("machines that keep each other away are kept from one that has no policy itself", () => {
  const antiAffinity = {
    vmAntiAffinity: {
      requiredDuringScheduling: [
        { topologyKey: "kubernetes.io/hostname", labelSelector: { matchLabels: { app: "web" } } },
      ],
    },
  };
  const lonely = on("lonely", "a", { policy: "alone" });
  const place = (labels: Labels) =>
    schedule(
      wish({ machine: machine("new", { labels }) }),
      around([host("a"), host("b", { taken: { cpus: 4, memoryBytes: 4 * gib } })], {
        machines: [lonely],
        policies: { alone: { antiAffinity } },
      }),
    );
  assert.equal(hostOf(place({ app: "web" })), "b");
  assert.equal(hostOf(place({ app: "db" })), "a");
});

test("the first of machines that belong together may be anywhere; one that waits for others may not", () => {
  assert.equal(hostOf(under({ affinity: { hostAffinity: true } }, zones)), "a");
  const term = { topologyKey: zoneLabel, labelSelector: { matchLabels: { app: "db" } } };
  const waiting = under({ affinity: { vmAffinity: { requiredDuringScheduling: [term] } } }, zones);
  assert.match(whyNot(waiting), /the machines to be together with are nowhere/);
});

test("a policy that cannot be followed refuses the machine by name of the field, and a preference that cannot be does not", () => {
  const refused = under({ hard: { folders: ["/x"] }, securityConstraints: { trustLevel: "trusted" } }, zones);
  assert.match(
    whyNot(refused),
    /VMPlacementPolicy "p" cannot be followed: spec\.hard\.folders is not supported.*trustLevel/,
  );
  assert.equal(hostOf(under({ soft: { folders: ["/x"] } }, zones)), "a");
});

for (const [what, value] of [
  ["a word", "yes"],
  ["a switch that is no boolean", { enabled: "yes" }],
  ["a scope that does not exist", { enabled: true, scope: "soft" }],
  ["an unknown field", { enabled: true, maxVMs: 2 }],
  ["a limit that is no count", { enabled: true, maxVMsPerHost: 0 }],
] as const) {
  test(`${what} in an anti-affinity is refused`, () => {
    const object = policy("p", {});
    const spec = { antiAffinity: { hostAntiAffinity: value } };
    const { problems } = rulesOf({ ...object, spec: spec as unknown as VMPlacementPolicySpec });
    assert.match(problems.join(), /^spec\.antiAffinity\.hostAntiAffinity/);
  });
}

test("the limits of a policy make a host smaller", () => {
  const half = { resourceConstraints: { maxMemoryUtilization: 50, maxCPUUtilization: 50 } };
  const used = host("a", { taken: { cpus: 4, memoryBytes: 4 * gib } });
  assert.match(whyNot(under(half, [used])), /it has 0 MiB of memory left of 4096 MiB.*0 CPUs left of 4/);
  const disk = host("a", { storage: { totalBytes: 100, availableBytes: 10 } });
  assert.match(whyNot(under({ resourceConstraints: { maxDiskUtilization: 80 } }, [disk])), /90 % full, above 80 %/);
});

test("secure boot and a TPM are demanded of the host and of the VM's class", () => {
  const spec = { securityConstraints: { requireSecureBoot: true, requireTPM: true } };
  const able = host("a", { features: new Set(["secureBoot", "tpm"]) });
  assert.match(whyNot(under(spec, [able])), /demands secure boot.*demands a TPM/);
  const safe = wish({ machine: machine("new", { policy: "p" }), hasSecureBoot: true, hasTpm: true });
  assert.equal(hostOf(schedule(safe, around([able, host("b")], { policies: { p: spec } }))), "a");
});

const anyPolicy: fc.Arbitrary<VMPlacementPolicySpec> = fc.record(
  {
    hard: fc.record({ excludedHosts: fc.subarray(["h0", "h1"]) }, { requiredKeys: [] }),
    antiAffinity: fc.record(
      {
        hostAntiAffinity: fc.oneof(
          fc.boolean(),
          fc.record({ enabled: fc.constant(true), maxVMsPerHost: fc.integer({ min: 1, max: 3 }) }),
        ),
        zoneAntiAffinity: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
    affinity: fc.record({ zoneAffinity: fc.boolean() }, { requiredKeys: [] }),
    soft: fc.record({ zones: fc.subarray(["z0", "z1"]) }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);

const anyHost = fc.record({
  isReady: fc.boolean(),
  isUnschedulable: fc.boolean(),
  isTainted: fc.boolean(),
  zone: fc.constantFrom("z0", "z1", "z2"),
  cpus: fc.integer({ min: 0, max: 8 }),
  memory: fc.integer({ min: 0, max: 8 }),
});

const anyMachine = fc.record({
  policy: fc.constantFrom(undefined, "p", "q"),
  cpus: fc.integer({ min: 1, max: 3 }),
  memory: fc.integer({ min: 1, max: 3 }),
});

test("whatever comes in whichever order: no host is over-committed, no strict rule broken, nothing refused that fits, and the same input gives the same choice", () => {
  fc.assert(
    fc.property(
      fc.array(anyHost, { minLength: 1, maxLength: 6 }),
      fc.array(anyMachine, { maxLength: 16, size: "max" }),
      anyPolicy,
      anyPolicy,
      (drawn, machines, p, q) => {
        const policies = { p, q };
        const taken = new Map<string, { cpus: number; memoryBytes: number }>();
        const placed: PlacedMachine[] = [];
        const now = (): readonly PlacementHost[] =>
          drawn.map((each, index) =>
            host(`h${index}`, {
              ...(each.isReady ? {} : { notReady: "down" }),
              isUnschedulable: each.isUnschedulable,
              taints: each.isTainted ? [dedicated] : [],
              labels: { [zoneLabel]: each.zone },
              room: { kind: "limited", cpus: each.cpus, memoryBytes: each.memory * gib },
              taken: taken.get(`h${index}`) ?? { cpus: 0, memoryBytes: 0 },
            }),
          );
        for (const [index, each] of machines.entries()) {
          const own = machine(`m${index}`, each.policy === undefined ? {} : { policy: each.policy });
          const wanted = wish({ machine: own, amount: { cpus: each.cpus, memoryBytes: each.memory * gib } });
          const placement = schedule(wanted, around(now(), { machines: placed, policies }));
          const again = schedule(
            wanted,
            around(now().toReversed(), { machines: placed.toReversed(), policies: structuredClone(policies) }),
          );
          assert.deepEqual(again, placement);
          assert.equal(
            placement.kind === "chosen",
            placement.verdicts.some(({ obstacles }) => obstacles.length === 0),
          );
          if (placement.kind === "none") continue;
          const before = taken.get(placement.host) ?? { cpus: 0, memoryBytes: 0 };
          taken.set(placement.host, {
            cpus: before.cpus + each.cpus,
            memoryBytes: before.memoryBytes + each.memory * gib,
          });
          placed.push({ ...own, host: placement.host });
        }
        for (const [index, each] of drawn.entries()) {
          const used = taken.get(`h${index}`) ?? { cpus: 0, memoryBytes: 0 };
          assert.ok(used.cpus <= each.cpus && used.memoryBytes <= each.memory * gib);
          const isClosed = !each.isReady || each.isUnschedulable || each.isTainted;
          assert.ok(!isClosed || used.cpus === 0);
        }
        for (const [name, spec] of Object.entries(policies))
          holds(
            spec,
            drawn,
            placed.filter((each) => each.policy === name),
          );
      },
    ),
    { numRuns: 300 },
  );
});

/** Checked by counting, not by the code under test. */
function holds(
  spec: VMPlacementPolicySpec,
  hosts: readonly { readonly zone: string }[],
  machines: readonly PlacedMachine[],
): void {
  const zoneOf = ({ host: name }: PlacedMachine) => hosts[Number(name.slice(1))]?.zone ?? "";
  const perHost = countBy(machines, (each) => each.host);
  const perZone = countBy(machines, zoneOf);
  const { hostAntiAffinity, zoneAntiAffinity } = spec.antiAffinity ?? {};
  const limit = typeof hostAntiAffinity === "object" ? (hostAntiAffinity.maxVMsPerHost ?? 1) : 1;
  if (hostAntiAffinity !== undefined && hostAntiAffinity !== false)
    assert.ok(Math.max(0, ...perHost.values()) <= limit);
  if (zoneAntiAffinity === true) assert.ok(Math.max(0, ...perZone.values()) <= 1);
  if (spec.affinity?.zoneAffinity === true) assert.ok(perZone.size <= 1);
  for (const name of spec.hard?.excludedHosts ?? []) assert.equal(perHost.get(name), undefined);
}

function countBy(machines: readonly PlacedMachine[], keyOf: (each: PlacedMachine) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const each of machines) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1);
  return counts;
}
