import assert from "node:assert/strict";
import { test } from "node:test";
import type { Host, VirtualMachineMetrics, VMGroup } from "@vivarium/api";
import { groupSums, hostSums, sumsTable } from "./top-sums.ts";

const GiB = 2 ** 30;

function row(name: string, power: string, host = "h") {
  const metrics: VirtualMachineMetrics = {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "VirtualMachineMetrics",
    metadata: { namespace: "default", name, uid: name },
    provider: "default/local",
    host,
    intervalSeconds: 10,
    samples: [
      {
        time: "2026-01-01T00:00:00Z",
        power,
        cpu: { count: 2, seconds: 5, percent: power === "off" ? 0 : 50 },
        memory: { assignedBytes: GiB, ...(power === "off" ? {} : { residentBytes: GiB / 2 }) },
        disk: { readBytes: 1, writtenBytes: 2, capacityBytes: 10 * GiB, allocatedBytes: GiB },
        network: { receivedBytes: 1, sentBytes: 1 },
      },
    ],
  };
  return { key: { namespace: "default", name }, metrics };
}

const rows = [row("web", "running"), row("db", "off"), row("other", "running", "elsewhere")];

test("a group requests what its running VMs have, and its disks take space also when they are off", () => {
  const group: VMGroup = {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "VMGroup",
    metadata: { namespace: "default", name: "shop" },
    spec: {},
    status: {
      members: [
        { name: "web", ready: true },
        { name: "db", ready: false },
      ],
    },
  };
  const table = sumsTable(groupSums([group], rows)).split("\n");
  assert.match(table[1] ?? "", /^shop +2 +0\.5 \/ 2 +512 MiB \/ 1\.0 GiB +2\.0 GiB \/ 20\.0 GiB$/);
});

test("a host is told with what others run there, and with what there is", () => {
  const host: Host = {
    apiVersion: "vivarium.dev/v1alpha1",
    kind: "Host",
    metadata: { namespace: "default", name: "h" },
    spec: { providerRef: { name: "local" } },
    status: {
      allocated: { machines: 1, cpus: 2, memoryBytes: GiB },
      allocatedByOthers: { machines: 1, cpus: 1, memoryBytes: GiB },
      allocatable: { cpus: 8, memoryBytes: 16 * GiB },
      storage: { totalBytes: 100 * GiB, availableBytes: 60 * GiB },
    },
  };
  const table = sumsTable(hostSums([host], rows)).split("\n");
  assert.match(table[0] ?? "", /^NAME +VMS +CPUS USED\/REQUESTED\/THERE/);
  assert.match(
    table[1] ?? "",
    /^h +2 +0\.5 \/ 3 \/ 8 +512 MiB \/ 2\.0 GiB \/ 16\.0 GiB +40\.0 GiB \/ 20\.0 GiB \/ 100 GiB$/,
  );
});
