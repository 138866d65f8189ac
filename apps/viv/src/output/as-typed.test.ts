import assert from "node:assert/strict";
import { test } from "node:test";
import { asTyped } from "./as-typed.ts";

test("advice names the command as it was called", () => {
  assert.equal(asTyped("viv stop web", { VIV_COMMAND: "./viv" }), "./viv stop web");
  assert.equal(asTyped("viv", { VIV_COMMAND: "/opt/v/viv" }), "/opt/v/viv");
});

test("what is no call of viv stays", () => {
  assert.equal(asTyped("vivid colours, viv", { VIV_COMMAND: "./viv" }), "vivid colours, viv");
  assert.equal(asTyped("viv stop web", {}), "viv stop web");
});
