import assert from "node:assert/strict";
import { test } from "node:test";
import type { VMSnapshot, VMSnapshotStatus } from "@vivarium/api";
import { machine } from "../../testing/controllers-lab.ts";
import { snapshotsOfStatus } from "./snapshot-status.ts";

const vm = machine("web", { imageRef: { name: "x" } });
const uid = "0d7d1c7e-2b0c-4f3c-9a53-1c2b3d4e5f60";
const web = { ...vm, metadata: { ...vm.metadata, uid } };

function snapshot(name: string, status: VMSnapshotStatus, of = "web"): VMSnapshot {
  return {
    apiVersion: "infra.virtrigaud.io/v1beta1",
    kind: "VMSnapshot",
    metadata: { name, namespace: "default" },
    spec: { vmRef: { name: of }, description: `why ${name}` },
    status: { snapshotID: `id-${name}`, record: { stage: "created", machine: uid }, ...status },
  };
}

test("those that are there are told, oldest first, and no others", () => {
  const all = [
    snapshot("later", { phase: "Ready", creationTime: "2026-01-02T00:00:00Z", size: "2Ki", hasMemory: true }),
    snapshot("first", { phase: "Ready", creationTime: "2026-01-01T00:00:00Z" }),
    snapshot("going", { phase: "Deleting", creationTime: "2026-01-01T00:00:00Z" }),
    snapshot("failed", { phase: "Failed" }),
    snapshot("other", { phase: "Ready", creationTime: "2026-01-01T00:00:00Z" }, "db"),
    snapshot("namesake", { phase: "Ready", creationTime: "2026-01-01T00:00:00Z", record: { machine: "another" } }),
  ];
  assert.deepEqual(snapshotsOfStatus(web, all), [
    { id: "id-first", name: "first", creationTime: "2026-01-01T00:00:00Z", description: "why first" },
    {
      id: "id-later",
      name: "later",
      creationTime: "2026-01-02T00:00:00Z",
      description: "why later",
      sizeBytes: 2048,
      hasMemory: true,
    },
  ]);
});
