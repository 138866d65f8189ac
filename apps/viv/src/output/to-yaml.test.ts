import assert from "node:assert/strict";
import { test } from "node:test";
import { toYaml } from "./to-yaml.ts";

test("text that kubectl would read as a boolean is quoted", async () => {
  assert.equal(await toYaml({ powerState: "On", on: "x", ready: true }), 'powerState: "On"\n"on": x\nready: true\n');
});
