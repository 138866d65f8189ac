// The shipped alert rules against a real server: a rule on a figure that does not exist would never fire.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { VivProcess } from "../testing/viv-process.ts";

const file = fileURLToPath(new URL("../../../../deploy/prometheus/alerts.yaml", import.meta.url));

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

test("every metric that an alert names is one that the server has", async () => {
  await using server = new VivProcess();
  await server.start();
  const client = await server.client();
  const get = async (): Promise<string> => {
    const { body } = await client.send({
      method: "GET",
      path: "/metrics",
      query: new URLSearchParams(),
      headers: {},
      body: new Uint8Array(0),
    });
    const chunks: Uint8Array[] = [];
    if (body instanceof Uint8Array) return Buffer.from(body).toString("utf8");
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
  };
  // The controllers begin a moment after the API.
  let text = await get();
  while (!text.includes("vivarium_operations_running")) text = await get();
  await client.close();
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
  const { groups } = parse(readFileSync(file, "utf8")) as Rules;
  const rules = groups.flatMap((group) => group.rules);
  assert.ok(rules.length > 0);
  for (const { alert, expr } of rules) {
    const named = expr.match(/\b(?:vivarium|virtrigaud)_[a-z_]+/g) ?? [];
    assert.ok(named.length > 0, alert);
    for (const name of named) {
      assert.ok(known.has(name) || known.has(name.replace(/_(count|sum|bucket)$/, "")), `${alert}: ${name}`);
    }
  }
});
