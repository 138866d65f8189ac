import assert from "node:assert/strict";
import { test } from "node:test";
import { rotatedLogs } from "./read-log.ts";

test("full logs of just this VM, the newest first", () => {
  const vm = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };
  const log = "web.0b7c6c1e.serial.log";
  const others = [log, `${log}.old`, `${log}.`, "web.11111111.serial.log.0", `x-${log}.0`, "web.0b7c6c1e.root.qcow2"];
  assert.deepEqual(rotatedLogs(vm, [`${log}.10`, `${log}.0`, `${log}.2`, ...others]), [
    `${log}.0`,
    `${log}.2`,
    `${log}.10`,
  ]);
});
