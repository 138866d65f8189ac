import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeObject } from "@vivarium/api";
import { usageEvaluators } from "./usage-evaluators.ts";

const vmClass = { spec: { cpu: 2, memory: "4Gi", diskDefaults: { size: "40Gi" } } };

async function usageOf(plural: string, spec: object, found?: object) {
  const evaluator = usageEvaluators.find((each) => each.plural === plural);
  const object = { apiVersion: "", kind: "", metadata: { name: "a", namespace: "default" }, spec } as KubeObject;
  return evaluator?.usageOf(object, async () => found as KubeObject | undefined);
}

test("a machine takes what its class says", async () => {
  assert.deepEqual(await usageOf("virtualmachines", { classRef: { name: "c" } }, vmClass), {
    "requests.cpu": 2,
    "requests.memory": "4Gi",
    "requests.storage": "40Gi",
  });
});

test("what the machine says itself goes before its class; data disks add up, Volumes count as themselves", async () => {
  const spec = {
    classRef: { name: "c" },
    resources: { cpu: 8, memoryMiB: 512 },
    disks: [
      { name: "root", sizeGiB: 10 },
      { name: "data", sizeGiB: 5 },
      { name: "kept", volumeRef: { name: "v" } },
    ],
  };
  assert.deepEqual(await usageOf("virtualmachines", spec, vmClass), {
    "requests.cpu": 8,
    "requests.memory": "512Mi",
    "requests.storage": "15Gi",
  });
});

test("what cannot be told is left out", async () => {
  assert.deepEqual(await usageOf("virtualmachines", { classRef: { name: "gone" } }), {});
  assert.deepEqual(await usageOf("volumes", { poolRef: { name: "p" } }), {});
  assert.deepEqual(await usageOf("volumes", { poolRef: { name: "p" }, size: "3Gi" }), { "requests.storage": "3Gi" });
});
