import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { stateDirAt, type StateDir } from "../state-dir.ts";
import { isServerLocked, readServerInfo, takeServerLock, writeServerInfo } from "./server-lock.ts";

function temporaryStateDir(t: TestContext): StateDir {
  const folder = mkdtempSync("/tmp/viv-lock-");
  t.after(() => rmSync(folder, { recursive: true }));
  return stateDirAt(folder);
}

test("only one holder at a time", (t) => {
  const stateDir = temporaryStateDir(t);
  const first = takeServerLock(stateDir);
  assert.ok(first !== undefined);
  assert.equal(takeServerLock(stateDir), undefined);
  first.release();
  assert.equal(isServerLocked(stateDir), false);
});

test("a killed holder leaves no lock behind", async (t) => {
  const stateDir = temporaryStateDir(t);
  const script = `
    import { takeServerLock } from ${JSON.stringify(new URL("./server-lock.ts", import.meta.url).href)};
    import { stateDirAt } from ${JSON.stringify(new URL("../state-dir.ts", import.meta.url).href)};
    globalThis.lock = takeServerLock(stateDirAt(process.argv[1]));
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script, stateDir.path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  assert.equal(isServerLocked(stateDir), true);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  assert.equal(isServerLocked(stateDir), false);
});

test("looking at the lock does not remove what the server wrote about itself", (t) => {
  const stateDir = temporaryStateDir(t);
  const info = { pid: 1, url: "https://127.0.0.1:1", startedAt: "2026-01-01T00:00:00Z" };
  writeServerInfo(stateDir, info);
  assert.equal(isServerLocked(stateDir), false);
  assert.deepEqual(readServerInfo(stateDir), info);
});
