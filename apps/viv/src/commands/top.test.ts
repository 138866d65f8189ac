import assert from "node:assert/strict";
import { test } from "node:test";
import type { VirtualMachineMetrics } from "@vivarium/api";
import { topTable } from "./top.ts";

const metrics: VirtualMachineMetrics = {
  apiVersion: "vivarium.dev/v1alpha1",
  kind: "VirtualMachineMetrics",
  metadata: { namespace: "default", name: "web", uid: "u" },
  provider: "default/local",
  host: "h",
  intervalSeconds: 10,
  samples: [
    {
      time: "2026-01-01T00:00:00Z",
      power: "running",
      cpu: { count: 2, seconds: 5, percent: 12.34 },
      memory: { assignedBytes: 2 ** 30, usedBytes: 2 ** 28, residentBytes: 2 ** 29 },
      disk: {
        readBytes: 1,
        writtenBytes: 2,
        readBytesPerSecond: 2048,
        writtenBytesPerSecond: 0,
        requestsPerSecond: 3,
      },
      network: { receivedBytes: 1, sentBytes: 1 },
    },
  ],
};

test("a row has the newest rates; what is not known is a dash, and a VM without figures is unknown", () => {
  const lines = topTable([
    { key: { namespace: "default", name: "web" }, metrics },
    { key: { namespace: "default", name: "new" }, metrics: undefined },
  ]).split("\n");
  assert.match(
    lines[0] ?? "",
    /^NAME +POWER +CPU% +CPUS +MEMORY +RESIDENT +READ\/S +WRITTEN\/S +IO\/S +RECEIVED\/S +SENT\/S$/,
  );
  assert.match(lines[1] ?? "", /^web +running +12\.3 +2 +256 MiB\/1\.0 GiB +512 MiB +2\.0 KiB +0 B +3\.0 +- +-$/);
  assert.match(lines[2] ?? "", /^new +unknown$/);
});
