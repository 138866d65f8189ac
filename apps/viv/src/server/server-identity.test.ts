import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { stateDirAt, type StateDir } from "../state-dir.ts";
import { loadServerIdentity } from "./server-identity.ts";

const dayMs = 86_400_000;

function temporaryStateDir(t: TestContext): StateDir {
  const folder = mkdtempSync("/tmp/viv-identity-");
  t.after(() => rmSync(folder, { recursive: true }));
  return stateDirAt(folder);
}

test("the server's certificate is for loopback and signed by the CA", async (t) => {
  const identity = await loadServerIdentity(temporaryStateDir(t));
  const server = new X509Certificate(identity.certPem);
  const ca = new X509Certificate(identity.caPem);
  assert.ok(server.verify(ca.publicKey));
  assert.ok(server.checkIP("127.0.0.1") !== undefined);
  assert.ok(server.checkHost("localhost") !== undefined);
  assert.equal(ca.ca, true);
  assert.equal(server.ca, false);
});

test("a certificate that lacks the address that the server listens on is made anew, by the same CA", async (t) => {
  const stateDir = temporaryStateDir(t);
  const first = await loadServerIdentity(stateDir);
  const second = await loadServerIdentity(stateDir, { host: "192.0.2.7" });
  assert.ok(new X509Certificate(second.certPem).checkIP("192.0.2.7") !== undefined);
  assert.equal(second.caPem, first.caPem);
  assert.deepEqual(await loadServerIdentity(stateDir, { host: "192.0.2.7" }), second);
});

test("keys and token stay the same, and are readable by their owner alone", async (t) => {
  const stateDir = temporaryStateDir(t);
  const first = await loadServerIdentity(stateDir);
  assert.deepEqual(await loadServerIdentity(stateDir), first);
  for (const name of readdirSync(stateDir.pki))
    assert.equal(statSync(join(stateDir.pki, name)).mode & 0o777, 0o600, name);
});

test("a certificate is renewed before it expires, by the same CA", async (t) => {
  const stateDir = temporaryStateDir(t);
  const first = await loadServerIdentity(stateDir);
  const later = new Date(Date.now() + 350 * dayMs);
  const second = await loadServerIdentity(stateDir, { now: () => later });
  assert.notEqual(second.certPem, first.certPem);
  assert.equal(second.caPem, first.caPem);
  assert.ok(new X509Certificate(second.certPem).validToDate.getTime() > later.getTime() + 300 * dayMs);
});

test("when the CA expires, both are made anew and fit together", async (t) => {
  const stateDir = temporaryStateDir(t);
  const first = await loadServerIdentity(stateDir);
  const second = await loadServerIdentity(stateDir, { now: () => new Date(Date.now() + 3640 * dayMs) });
  assert.notEqual(second.caPem, first.caPem);
  assert.ok(new X509Certificate(second.certPem).verify(new X509Certificate(second.caPem).publicKey));
});
