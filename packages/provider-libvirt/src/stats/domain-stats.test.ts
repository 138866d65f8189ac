import assert from "node:assert/strict";
import { test } from "node:test";
import type { TypedValues } from "@vivarium/libvirt";
import { devicesIn, domainStatsOf } from "./domain-stats.ts";
import type { DeviceNames } from "./domain-stats.ts";

const uuid = "6f6a9b0e-7a9f-4f55-8f0c-0c7f8b1f2d3e";
const noNames: DeviceNames = { disks: new Map(), nics: new Map() };

function record(values: TypedValues, id = 7) {
  return { domain: { name: "default.web", uuid, id }, values };
}

test("times become seconds and KiB become bytes", () => {
  const stats = domainStatsOf(
    record({
      "state.state": 1,
      "state.reason": 1,
      "cpu.time": 2_500_000_000,
      "cpu.user": 500_000_000,
      "vcpu.current": 2,
      "vcpu.maximum": 4,
      "vcpu.0.time": 1_000_000_000,
      "vcpu.0.delay": 250_000_000,
      "vcpu.2.time": 1_500_000_000,
      "balloon.current": 1024,
      "balloon.maximum": 2048,
      "balloon.rss": 512,
      "balloon.major_fault": 3,
    }),
    noNames,
  );
  assert.deepEqual(stats, {
    uid: uuid,
    name: "default.web",
    power: "running",
    powerReason: "booted",
    run: 7,
    cpus: 2,
    memoryBytes: 2 * 2 ** 20,
    cpu: { seconds: 2.5, userSeconds: 0.5 },
    vcpus: [
      { index: 0, seconds: 1, delaySeconds: 0.25 },
      { index: 2, seconds: 1.5 },
    ],
    memory: { balloonBytes: 2 ** 20, residentBytes: 2 ** 19, majorFaults: 3 },
    disks: [],
    nics: [],
  });
});

test("devices go by the user's names; the seed is not told, a stranger's disk goes by its target", () => {
  const values = {
    "state.state": 1,
    "block.count": 3,
    "block.0.name": "vda",
    "block.0.rd.bytes": 10,
    "block.0.rd.times": 2_000_000_000,
    "block.1.name": "vdz",
    "block.2.name": "sda",
    "net.count": 1,
    "net.0.name": "vnet4",
    "net.0.rx.bytes": 5,
    "net.0.tx.pkts": 6,
  };
  const names = {
    disks: new Map([
      ["vda", "root"],
      ["vdz", undefined],
    ]),
    nics: new Map([["vnet4", "lan"]]),
  };
  const stats = domainStatsOf(record(values), names);
  assert.deepEqual(stats?.disks, [{ name: "root", readBytes: 10, readSeconds: 2 }, { name: "sda" }]);
  assert.deepEqual(
    stats.nics.map(({ name, receivedBytes, sentPackets }) => ({ name, receivedBytes, sentPackets })),
    [{ name: "lan", receivedBytes: 5, sentPackets: 6 }],
  );
  assert.deepEqual(devicesIn(values), ["vda", "vdz", "sda", "vnet4"]);
});

test("a domain that is off has its size and no figures, whatever libvirt tells of its devices", () => {
  const values = {
    "state.state": 5,
    "state.reason": 2,
    "vcpu.current": 1,
    "vcpu.maximum": 1,
    "vcpu.0.time": 0,
    "balloon.current": 1024,
    "balloon.maximum": 1024,
    "block.count": 1,
    "block.0.name": "vda",
    "block.0.capacity": 5,
  };
  assert.deepEqual(domainStatsOf(record(values, -1), noNames), {
    uid: uuid,
    name: "default.web",
    power: "off",
    powerReason: "destroyed",
    cpus: 1,
    memoryBytes: 2 ** 20,
    vcpus: [],
    disks: [],
    nics: [],
  });
});

test("what is not told is absent: a busy domain has no zeros", () => {
  const stats = domainStatsOf(record({ "state.state": 3, "state.reason": 2 }), noNames);
  assert.deepEqual(
    [stats?.power, stats?.powerReason, stats?.cpu, stats?.memory],
    ["paused", "migration", undefined, undefined],
  );
});

test("a domain that went away meanwhile is left out", () => {
  assert.equal(domainStatsOf(record({}), noNames), undefined);
});

test("the dirty rate counts only when it was measured", () => {
  const rate = (status: number): number | undefined =>
    domainStatsOf(
      record({ "state.state": 1, "dirtyrate.calc_status": status, "dirtyrate.megabytes_per_second": 3 }),
      noNames,
    )?.dirtyBytesPerSecond;
  assert.deepEqual([rate(1), rate(2)], [undefined, 3 * 2 ** 20]);
});
