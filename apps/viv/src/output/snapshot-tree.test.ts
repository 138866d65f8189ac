import assert from "node:assert/strict";
import { test } from "node:test";
import type { VMSnapshot } from "@vivarium/api";
import { snapshotTree } from "./snapshot-tree.ts";

function snapshot(name: string, status: VMSnapshot["status"] = {}): VMSnapshot {
  return { apiVersion: "x", kind: "VMSnapshot", metadata: { name }, spec: { vmRef: { name: "web" } }, status };
}

test("each stands below the one that it came out of, and the present one is marked", () => {
  const text = snapshotTree([
    snapshot("c", { parent: { name: "a" }, creationTime: "2026-01-03T00:00:00Z", isCurrent: true }),
    snapshot("b", { parent: { name: "a" }, creationTime: "2026-01-02T00:00:00Z" }),
    snapshot("a", { creationTime: "2026-01-01T00:00:00Z", phase: "Ready", consistency: "Off", size: "1Mi" }),
    snapshot("orphan", { parent: { name: "gone" } }),
  ]);
  assert.deepEqual(
    text.split("\n").map((line) => line.replaceAll(/(\S) {2,}/g, "$1|")),
    [
      "NAME|PHASE|HOLDS|SIZE|TAKEN",
      "a|Ready|Off|1Mi|2026-01-01T00:00:00Z",
      "  b|Pending|2026-01-02T00:00:00Z",
      "  c *|Pending|2026-01-03T00:00:00Z",
      "orphan|Pending",
    ],
  );
});
