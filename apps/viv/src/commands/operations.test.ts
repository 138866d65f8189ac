import assert from "node:assert/strict";
import { test } from "node:test";
import type { Operation } from "@vivarium/api";
import { operationsTable } from "./operations.ts";

const started: Operation = {
  apiVersion: "vivarium.dev/v1alpha1",
  kind: "Operation",
  metadata: { name: "x", namespace: "default" },
  object: { kind: "VirtualMachine", name: "web", uid: "u" },
  verb: "Start",
  phase: "Running",
  startTime: "2026-01-01T00:00:00Z",
  usual: "12s",
  overdue: true,
  message: "Waiting for an address",
};

test("work that goes on shows how long it has, and what is said of it; work that is done how long it took", () => {
  const done = { ...started, phase: "Succeeded", overdue: false, duration: "14s" } as const;
  const now = new Date("2026-01-01T00:01:35Z");
  const lines = operationsTable([started, done], { now, allNamespaces: false }).split("\n");
  assert.match(lines[1] ?? "", /Start +virtualmachine\/web +Running \(overdue\) +1m35s +12s +Waiting for an address$/);
  assert.match(lines[2] ?? "", /Start +virtualmachine\/web +Succeeded +14s +12s$/);
});
