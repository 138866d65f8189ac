import assert from "node:assert/strict";
import { test } from "node:test";
import { listOf, openTestServer, type Json } from "../testing/test-server.ts";

const core = "/api/v1/namespaces/default/events";
const newer = "/apis/events.k8s.io/v1/namespaces/default/events";
const merge = { "content-type": "application/merge-patch+json" };

const coreEvent = {
  apiVersion: "v1",
  kind: "Event",
  metadata: { name: "a" },
  involvedObject: { kind: "Widget", name: "w", namespace: "default" },
  reason: "Made",
  message: "it is made",
  source: { component: "maker" },
  type: "Normal",
  count: 2,
  firstTimestamp: "2026-01-01T00:00:00Z",
  lastTimestamp: "2026-01-01T00:01:00Z",
};

const newerEvent = {
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  metadata: { name: "b" },
  regarding: { kind: "Widget", name: "w", namespace: "default" },
  reason: "Broken",
  action: "Break",
  note: "it broke",
  type: "Warning",
  eventTime: "2026-01-01T00:00:00.123456Z",
  reportingController: "example.dev/breaker",
  reportingInstance: "breaker-1",
};

test("an event written as a core Event is read under the newer names, and the other way round", async () => {
  const { call, server } = await openTestServer();
  assert.equal((await call("POST", core, { body: coreEvent })).status, 201);
  assert.equal((await call("POST", newer, { body: newerEvent })).status, 201);
  const { metadata: _a, ...a } = (await call("GET", `${newer}/a`)).body;
  assert.deepEqual(a, {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    regarding: coreEvent.involvedObject,
    reason: "Made",
    note: "it is made",
    type: "Normal",
    deprecatedSource: { component: "maker" },
    deprecatedCount: 2,
    deprecatedFirstTimestamp: coreEvent.firstTimestamp,
    deprecatedLastTimestamp: coreEvent.lastTimestamp,
  });
  const { metadata: _b, ...b } = (await call("GET", `${core}/b`)).body;
  assert.deepEqual(b, {
    apiVersion: "v1",
    kind: "Event",
    involvedObject: newerEvent.regarding,
    reason: "Broken",
    action: "Break",
    message: "it broke",
    type: "Warning",
    eventTime: newerEvent.eventTime,
    reportingComponent: "example.dev/breaker",
    reportingInstance: "breaker-1",
  });
  for (const path of [core, newer]) {
    const { body } = await call("GET", path);
    assert.deepEqual(
      listOf(body["items"]).map((item) => item["metadata"]?.["name"]),
      ["a", "b"],
    );
  }
  await server.close();
});

test("a patch through one view is an event of the watch of the other", async () => {
  const { call, send, server } = await openTestServer();
  await call("POST", newer, { body: newerEvent });
  const end = new AbortController();
  const response = await send("GET", `${core}?watch=true&fieldSelector=involvedObject.kind%3DWidget`, {
    signal: end.signal,
  });
  const seen: Json[] = [];
  const series = { count: 3, lastObservedTime: "2026-01-01T00:00:02.000000Z" };
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    seen.push(JSON.parse(new TextDecoder().decode(chunk)) as Json);
    if (seen.length === 1) await call("PATCH", `${newer}/b`, { body: { series }, headers: merge });
    else end.abort();
  }
  assert.deepEqual(
    seen.map((event) => [event["type"], event["object"]?.["apiVersion"], event["object"]?.["series"]?.["count"]]),
    [
      ["ADDED", "v1", undefined],
      ["MODIFIED", "v1", 3],
    ],
  );
  await server.close();
});

test("the newer view asks for what it needs, and lets only the series go on", async () => {
  const { call, server } = await openTestServer();
  const { eventTime: _eventTime, action: _action, ...poor } = newerEvent;
  const refused = await call("POST", newer, { body: poor });
  assert.equal(refused.status, 422);
  assert.deepEqual(
    listOf(refused.body["details"]?.["causes"]).map((cause) => cause["field"]),
    ["eventTime", "action"],
  );
  await call("POST", newer, { body: newerEvent });
  const changed = await call("PATCH", `${newer}/b`, { body: { note: "another" }, headers: merge });
  assert.equal(changed.status, 422);
  const elsewhere = { ...newerEvent, regarding: { ...newerEvent.regarding, namespace: "kube-system" } };
  assert.equal((await call("POST", newer, { body: elsewhere })).status, 422, "not the event's namespace");
  await server.close();
});
