import assert from "node:assert/strict";
import { test } from "node:test";
import { isCommandEnabled, readExecStatus, readPid } from "./agent-reply.ts";

const returned = (fields: unknown) => JSON.stringify({ return: fields });

test("a command's end is its exit code, or 128 and the signal, and what it wrote", () => {
  assert.equal(readPid(returned({ pid: 812 })), 812);
  assert.deepEqual(readExecStatus(returned({ exited: false })), { kind: "running" });
  assert.deepEqual(readExecStatus(returned({ exited: true, exitcode: 3, "out-data": "aGk=", "err-data": "bm8=" })), {
    kind: "ended",
    outcome: { exitCode: 3, stdout: "hi", stderr: "no" },
  });
  assert.deepEqual(readExecStatus(returned({ exited: true, signal: 9 })), {
    kind: "ended",
    outcome: { exitCode: 137, stdout: "", stderr: "" },
  });
});

test("an answer of another shape is an error that shows it", () => {
  assert.throws(() => readPid(returned({})), /guest-exec .*\{"return":\{\}\}/);
  assert.throws(() => readExecStatus(returned({ exited: true })), /not understood/);
  assert.throws(() => isCommandEnabled(returned({}), "guest-exec"), /not understood/);
});

test("a command that the agent has but must not run is not enabled", () => {
  const info = returned({
    supported_commands: [
      { name: "guest-exec", enabled: false },
      { name: "guest-ping", enabled: true },
    ],
  });
  assert.equal(isCommandEnabled(info, "guest-exec"), false);
  assert.equal(isCommandEnabled(info, "guest-ping"), true);
  assert.equal(isCommandEnabled(info, "guest-shutdown"), false);
});
