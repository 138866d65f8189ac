import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import { listOf, openTestServer } from "../testing/test-server.ts";

const events = "/api/v1/namespaces/default/events";
const event = (name: string, lastTimestamp: string) => ({
  apiVersion: "v1",
  kind: "Event",
  metadata: { name },
  involvedObject: { kind: "Widget", name: "w", namespace: "default" },
  lastTimestamp,
});

test("an event goes an hour after it happened last, and not before", { timeout: 10_000 }, async () => {
  const store = openMemoryStore();
  const first = await openTestServer({ store, clock: () => new Date("2026-01-01T10:00:00Z") });
  await first.call("POST", events, { body: event("old", "2026-01-01T09:00:01Z") });
  await first.call("POST", events, { body: event("young", "2026-01-01T10:00:01Z") });
  await first.server.close();
  const second = await openTestServer({ store, clock: () => new Date("2026-01-01T11:00:00Z") });
  const names = async () =>
    listOf((await second.call("GET", events)).body["items"]).map((item) => item["metadata"]?.["name"]);
  while ((await names()).length > 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await names(), ["young"]);
  await second.server.close();
});
