import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openMemoryStore } from "@vivarium/store";
import { stateDirAt, type StateDir } from "../state-dir.ts";
import { SecretEncryption } from "./secret-encryption.ts";

function temporaryStateDir(t: TestContext): StateDir {
  const folder = mkdtempSync("/tmp/viv-keys-");
  t.after(() => rmSync(folder, { recursive: true }));
  return stateDirAt(folder);
}

const fileOf = (stateDir: StateDir) => join(stateDir.pki, "encryption-keys.json");
const signal = new AbortController().signal;
const key = "/registry/core/secrets/default/a";

test("keys are made at the first start, for nobody else to read, and kept", async (t) => {
  const stateDir = temporaryStateDir(t);
  const below = openMemoryStore();
  const first = SecretEncryption.over(below, { stateDir, isShared: false });
  await first?.store.put(key, Buffer.from("{}"));
  assert.equal(statSync(fileOf(stateDir)).mode & 0o777, 0o600);
  const again = SecretEncryption.over(below, { stateDir, isShared: false });
  assert.equal(Buffer.from((await again?.store.get(key))?.value ?? []).toString(), "{}");
  chmodSync(fileOf(stateDir), 0o644);
  assert.throws(
    () => SecretEncryption.over(below, { stateDir, isShared: false }),
    /can be read by others \(mode 644\)/,
  );
});

test("rotation writes the new key in front, and every Secret with it", async (t) => {
  const stateDir = temporaryStateDir(t);
  const encryption = SecretEncryption.over(openMemoryStore(), { stateDir, isShared: false });
  assert.ok(encryption !== undefined);
  await encryption.store.put(key, Buffer.from("{}"));
  const { rewritten, key: newest } = await encryption.rotate({ makesKey: true, signal });
  const { keys } = JSON.parse(readFileSync(fileOf(stateDir), "utf8")) as { keys: { id: string }[] };
  assert.deepEqual([rewritten, keys.length, keys[0]?.id], [1, 2, newest]);
  assert.equal(Buffer.from((await encryption.store.get(key))?.value ?? []).toString(), "{}");
});

test("a server that shares its store makes no keys of its own", async (t) => {
  const stateDir = temporaryStateDir(t);
  const below = openMemoryStore();
  assert.equal(SecretEncryption.over(below, { stateDir, isShared: true }), undefined);
  SecretEncryption.over(below, { stateDir, isShared: false });
  const shared = SecretEncryption.over(below, { stateDir, isShared: true });
  await assert.rejects(async () => shared?.rotate({ makesKey: true, signal }), /shared by several servers/);
  const file = join(stateDir.path, "none");
  assert.throws(() => SecretEncryption.over(below, { stateDir, isShared: false, file }), /is not there/);
});
