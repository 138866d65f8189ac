import assert from "node:assert/strict";
import { test } from "node:test";
import type { DomainStats } from "@vivarium/provider";
import { VmCounters } from "./vm-counters.ts";
import { cpuSeconds, diskReadBytes } from "./vm-metrics.ts";

function vm(stats: Partial<DomainStats>): DomainStats {
  return {
    uid: "u",
    name: "default.web",
    power: "running",
    powerReason: "booted",
    cpus: 1,
    memoryBytes: 1,
    vcpus: [],
    disks: [],
    nics: [],
    ...stats,
  };
}

const off = vm({ power: "off" });

test("a counter goes on over restarts of the guest, and stands while it is off", () => {
  const counters = new VmCounters();
  const seen = (stats: DomainStats): number => {
    counters.take(stats, "h1");
    return counters.total(cpuSeconds);
  };
  assert.equal(seen(vm({ run: 1, cpu: { seconds: 10 } })), 10);
  assert.equal(seen(off), 10);
  assert.equal(seen(vm({ run: 2, cpu: { seconds: 3 } })), 13);
  // More than at the end of the run before: only the run tells that it is another one.
  assert.equal(seen(vm({ run: 3, cpu: { seconds: 4 } })), 17);
  assert.equal(seen(vm({ run: 3, cpu: { seconds: 5 } })), 18);
});

test("a counter goes on when the VM is moved to another host", () => {
  const counters = new VmCounters();
  counters.take(vm({ run: 1, cpu: { seconds: 10 } }), "h1");
  counters.take(vm({ run: 1, cpu: { seconds: 12 } }), "h2");
  assert.equal(counters.total(cpuSeconds), 22);
});

test("a busy domain that tells nothing takes nothing away", () => {
  const counters = new VmCounters();
  counters.take(vm({ run: 1, cpu: { seconds: 10 }, disks: [{ name: "root", readBytes: 5 }] }), "h1");
  counters.take(vm({ run: 1, disks: [{ name: "root" }] }), "h1");
  assert.deepEqual([counters.total(cpuSeconds), counters.total(diskReadBytes)], [10, 5]);
});

test("a disk that is taken out is forgotten; one that comes back under its name begins anew", () => {
  const counters = new VmCounters();
  const root = { name: "root", readBytes: 100 };
  counters.take(vm({ run: 1, disks: [root, { name: "data", readBytes: 50 }] }), "h1");
  counters.take(vm({ run: 1, disks: [root] }), "h1");
  assert.deepEqual(counters.figures(diskReadBytes), [{ part: "root", value: 100 }]);
  counters.take(vm({ run: 1, disks: [root, { name: "data", readBytes: 1 }] }), "h1");
  assert.deepEqual(counters.figures(diskReadBytes), [
    { part: "root", value: 100 },
    { part: "data", value: 1 },
  ]);
});

test("a counter that goes back within a run is added to what it was", () => {
  const counters = new VmCounters();
  counters.take(vm({ run: 1, disks: [{ name: "data", readBytes: 50 }] }), "h1");
  counters.take(vm({ run: 1, disks: [{ name: "data", readBytes: 2 }] }), "h1");
  assert.equal(counters.total(diskReadBytes), 52);
});
