import assert from "node:assert/strict";
import { test } from "node:test";
import { fitOf } from "./fit.ts";
import type { HostAmount, HostRoom, PlacementHost } from "./model.ts";

const gib = 1024 ** 3;

function host(name: string, room: HostRoom, capacity?: HostAmount): PlacementHost {
  return {
    name,
    labels: {},
    isUnschedulable: true,
    notReady: "it does not answer",
    taints: [],
    room,
    ...(capacity === undefined ? {} : { capacity }),
    // What is on it leaves again.
    taken: { cpus: 99, memoryBytes: 99 * gib },
    features: new Set(),
    cluster: "rack",
    datastore: { name: "vivarium", id: name },
  };
}

const limited = (cpus: number, gibs: number): HostRoom => ({ kind: "limited", cpus, memoryBytes: gibs * gib });
const wants = (cpus: number, gibs: number): HostAmount => ({ cpus, memoryBytes: gibs * gib });

test("a machine that one host can take when it is empty fits, whatever is on that host now", () => {
  const hosts = [host("a", limited(4, 4)), host("b", limited(16, 8))];
  assert.deepEqual(fitOf(wants(16, 8), hosts, undefined), { kind: "possible" });
});

test("more than any host gives is told with what each gives, the largest first", () => {
  const hosts = [
    host("a", limited(4, 4), wants(1, 4)),
    host("b", limited(16, 8), wants(4, 8)),
    host("c", limited(8, 64)),
    host("d", limited(4, 4)),
  ];
  assert.deepEqual(fitOf(wants(17, 8), hosts, undefined), {
    kind: "impossible",
    lacks: [{ what: "cpus", limits: "b 16 CPUs (has 4 CPUs), c 8 CPUs, a 4 CPUs (has 1 CPUs), 1 more no larger" }],
  });
});

test("CPUs on one host and memory on another make no host: both are told", () => {
  const fit = fitOf(wants(8, 8), [host("a", limited(8, 4)), host("b", limited(4, 8))], undefined);
  assert.deepEqual(fit, {
    kind: "impossible",
    lacks: [
      { what: "cpus", limits: "a 8 CPUs, b 4 CPUs" },
      { what: "memoryBytes", limits: "b 8192 MiB, a 4096 MiB" },
    ],
  });
});

test("a host that told no size may be large enough, and one without a limit is", () => {
  const small = host("a", limited(1, 1));
  assert.deepEqual(fitOf(wants(8, 8), [small, host("b", { kind: "unknown" })], undefined), { kind: "unknown" });
  assert.deepEqual(fitOf(wants(8, 8), [small, host("b", { kind: "unlimited" })], undefined), { kind: "possible" });
  assert.deepEqual(fitOf(wants(8, 8), [], undefined), { kind: "possible" });
});
