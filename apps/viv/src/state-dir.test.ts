import assert from "node:assert/strict";
import { test } from "node:test";
import { stateDirPath } from "./state-dir.ts";

const user = { env: {}, uid: 1000, home: "/home/ada" };

test("root keeps its state with the system's", () => {
  assert.equal(stateDirPath({}, { ...user, uid: 0 }), "/var/lib/vivarium");
});

test("a user keeps state where XDG says", () => {
  assert.equal(stateDirPath({}, user), "/home/ada/.local/state/vivarium");
  assert.equal(stateDirPath({}, { ...user, env: { XDG_STATE_HOME: "/srv/state" } }), "/srv/state/vivarium");
});

test("a relative XDG_STATE_HOME is ignored, as its specification says", () => {
  assert.equal(stateDirPath({}, { ...user, env: { XDG_STATE_HOME: "state" } }), "/home/ada/.local/state/vivarium");
});

test("the flag wins over VIV_STATE_DIR, and that over the rest", () => {
  const env = { VIV_STATE_DIR: "/tmp/env" };
  assert.equal(stateDirPath({}, { ...user, env }), "/tmp/env");
  assert.equal(stateDirPath({ flag: "/tmp/flag" }, { ...user, env }), "/tmp/flag");
});
