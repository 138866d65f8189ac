import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { openTestServer, shown, widget, widgetsPath } from "../testing/test-server.ts";
import { toYaml } from "./to-yaml.ts";

test("text that YAML 1.1 reads as something else is quoted, and nothing else is", () => {
  const value = {
    powerState: "On",
    a: "no",
    b: "Y",
    c: "12:30:00",
    d: "2026-01-02T03:04:05Z",
    e: "plain",
    f: true,
    g: 1,
  };
  const text = toYaml(value);
  assert.match(text, /^powerState: "On"$/m);
  assert.match(text, /^e: plain$/m);
  assert.deepEqual(parse(text, { version: "1.1" }), value);
  assert.deepEqual(parse(text), value);
});

test("long lines stay whole, and what occurs twice is written twice", () => {
  const part = { text: "word ".repeat(60).trim() };
  assert.equal(toYaml({ a: part, b: part }), `a:\n  text: ${part.text}\nb:\n  text: ${part.text}\n`);
});

test("objects and lists are answered in that form", async () => {
  const { call } = await openTestServer();
  await call("POST", widgetsPath, { body: widget("a", { spec: { note: "off" } }) });
  const headers = { accept: "application/yaml" };
  for (const path of [`${widgetsPath}/a`, widgetsPath]) {
    const { body } = await call("GET", path, { headers });
    assert.match(shown(body["text"]), /note: "off"/);
  }
});
