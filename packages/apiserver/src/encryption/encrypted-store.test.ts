import assert from "node:assert/strict";
import { test } from "node:test";
import { openMemoryStore, type Store } from "@vivarium/store";
import { openTestServer, shown } from "../testing/test-server.ts";
import { EncryptedStore } from "./encrypted-store.ts";
import { EncryptionKeys } from "./encryption-keys.ts";

const now = new Date("2030-01-01T00:00:00Z");
const path = "/api/v1/namespaces/default/secrets";
const secret = (name: string, word: string) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name },
  stringData: { word },
});
const signal = new AbortController().signal;
const base64 = (text: string) => Buffer.from(text).toString("base64");

async function raw(store: Store, name: string): Promise<string> {
  return Buffer.from((await store.get(`/registry/core/secrets/default/${name}`))?.value ?? []).toString("latin1");
}

async function open(below: Store, text: string) {
  const keys = EncryptionKeys.parse(text);
  const store = new EncryptedStore(below, keys);
  return { store, keys, server: await openTestServer({ store }) };
}

test("Secrets are read, listed and watched as they were written, and nothing of them lies in the store", async () => {
  const below = openMemoryStore();
  const text = EncryptionKeys.withNewKey({ now });
  const { server, keys } = await open(below, text);
  const since = shown((await server.call("GET", path)).body["metadata"]?.["resourceVersion"]);
  await server.call("POST", path, { body: secret("a", "open sesame") });
  const stored = await raw(below, "a");
  assert.ok(stored.startsWith(`vivarium:aes-256-gcm:v1:${keys.newest}:`));
  for (const word of ["sesame", base64("open sesame"), "word", "metadata"]) assert.ok(!stored.includes(word));
  assert.equal((await server.call("GET", `${path}/a`)).body["data"]?.["word"], base64("open sesame"));
  assert.ok(shown((await server.call("GET", path)).body["items"]).includes(base64("open sesame")));
  const watching = await server.send("GET", `${path}?watch=1&resourceVersion=${since}`);
  assert.ok(!(watching.body instanceof Uint8Array));
  for await (const line of watching.body) {
    assert.ok(Buffer.from(line).includes(base64("open sesame")));
    break;
  }
  await server.call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" } },
  });
  const config = await below.get("/registry/core/configmaps/default/c");
  assert.equal(config?.value[0], "{".charCodeAt(0));
});

test("Secrets from before encryption are read, and encrypted when they are written", async () => {
  const below = openMemoryStore();
  const plain = await openTestServer({ store: below });
  await plain.call("POST", path, { body: secret("old", "x") });
  await plain.server.close();
  const { server } = await open(below, EncryptionKeys.withNewKey({ now }));
  assert.equal((await server.call("GET", `${path}/old`)).body["data"]?.["word"], base64("x"));
  await server.call("PATCH", `${path}/old`, {
    body: { stringData: { word: "y" } },
    headers: { "content-type": "application/merge-patch+json" },
  });
  assert.ok((await raw(below, "old")).startsWith("vivarium:"));
});

test("a new key in front writes, the old one still reads, and re-encryption makes the old one needless", async () => {
  const below = openMemoryStore();
  const first = EncryptionKeys.withNewKey({ now });
  const { server, keys, store } = await open(below, first);
  await server.call("POST", path, { body: secret("a", "x") });
  const second = EncryptionKeys.withNewKey({ now, text: first });
  keys.replace(second);
  await server.call("POST", path, { body: secret("b", "x") });
  assert.ok(!(await raw(below, "a")).includes(keys.newest));
  assert.ok((await raw(below, "b")).includes(keys.newest));
  assert.equal(await store.reencrypt({ signal }), 1);
  assert.equal(await store.reencrypt({ signal }), 0);
  const newOnly = JSON.stringify({ keys: (JSON.parse(second) as { keys: unknown[] }).keys.slice(0, 1) });
  keys.replace(newOnly);
  assert.equal((await server.call("GET", `${path}/a`)).body["data"]?.["word"], base64("x"));
});

test("a missing key and a damaged value are said by name, and hold up no other Secret", async () => {
  const below = openMemoryStore();
  const first = EncryptionKeys.withNewKey({ now });
  const { server, keys, store } = await open(below, first);
  await server.call("POST", path, { body: secret("a", "x") });
  const lost = keys.newest;
  keys.replace(EncryptionKeys.withNewKey({ now }));
  await server.call("POST", path, { body: secret("b", "x") });
  const fresh = await openTestServer({ store: new EncryptedStore(below, keys) });
  const unreadable = await fresh.call("GET", `${path}/a`);
  assert.equal(unreadable.status, 500);
  assert.match(shown(unreadable.body["message"]), new RegExp(`secrets "a".*encrypted with the key "${lost}"`));
  assert.equal((await fresh.call("GET", `${path}/b`)).status, 200);
  await assert.rejects(store.reencrypt({ signal }), new RegExp(`the key "${lost}"`));

  const damaged = Buffer.from((await below.get("/registry/core/secrets/default/b"))?.value ?? []);
  damaged.writeUInt8(damaged.readUInt8(damaged.length - 20) ^ 1, damaged.length - 20);
  await below.put("/registry/core/secrets/default/b", damaged);
  const broken = await fresh.call("GET", `${path}/b`);
  assert.match(shown(broken.body["message"]), new RegExp(`encrypted with the key "${keys.newest}"`));

  await server.call("POST", path, { body: secret("c", "x") });
  const moved = await below.get("/registry/core/secrets/default/c");
  await below.put("/registry/core/secrets/default/d", moved?.value ?? new Uint8Array());
  assert.equal((await fresh.call("GET", `${path}/d`)).status, 500, "a value in another's place");
});

test("a key file says what is wrong with it", () => {
  const bad: readonly [string, RegExp][] = [
    ["{}", /found no keys/],
    ['{"keys":[{"id":"a b","key":""}]}', /keys\[0\]\.id/],
    ['{"keys":[{"id":"a","key":"c2hvcnQ="}]}', /the key "a" has 5 bytes, expected 32/],
  ];
  for (const [text, problem] of bad) assert.throws(() => EncryptionKeys.parse(text), problem);
});
