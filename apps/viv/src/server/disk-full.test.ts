// A real server on a real file system that runs full: it goes on reading, says why it does not write, and writes again by itself.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ConfigMap, isStatus } from "@vivarium/api";
import type { ApiClient } from "@vivarium/client";
import { VivProcess } from "../testing/viv-process.ts";

/** A mount namespace of its own; a user namespace too, for who is not root. */
const unshare = ["unshare", "--mount", ...(process.getuid?.() === 0 ? [] : ["--map-root-user"])];
const probe = spawnSync(unshare[0] ?? "", [...unshare.slice(1), "mount", "-t", "tmpfs", "tmpfs", "/mnt"]);
const skip = probe.status === 0 ? false : "needs mount namespaces, which this host does not allow";

describe("a full disk", { skip, concurrency: false }, () => {
  let server: VivProcess;
  let client: ApiClient;

  before(async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "viv-full-"));
    const mount = 'mount -t tmpfs -o size=12m tmpfs "$1" && shift && exec "$@"';
    server = new VivProcess({ stateDir, prefix: [...unshare, "sh", "-c", mount, "sh", stateDir] });
    await server.start();
    client = await server.client();
  });
  after(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });

  test("writes are refused with 507 and when to come back, reads and watches go on, and all is well when there is space again", async () => {
    await create(client, "before");
    const { resourceVersion } = await client.list(ConfigMap, { namespace: "default" });
    const end = new AbortController();
    const watch = client.watch(ConfigMap, { namespace: "default", resourceVersion, signal: end.signal });
    const changes = watch[Symbol.asyncIterator]();
    const filler = join(server.stateDirOfServer, "filler");
    fill(filler);

    const written: string[] = [];
    const refusal = await fillStore(client, written);
    assert.ok(isStatus(refusal, "InsufficientStorage"), String(refusal));
    assert.equal(refusal.code, 507);
    assert.match(refusal.message, /no space left: nothing was written/);
    assert.equal(refusal.details.retryAfterSeconds, 1);
    await assert.rejects(client.delete(ConfigMap, { namespace: "default", name: "before" }), (error) =>
      isStatus(error, "InsufficientStorage"),
    );

    const items = (await client.list(ConfigMap, { namespace: "default" })).items.map((item) => item.metadata.name);
    assert.deepEqual(items.toSorted(), ["before", ...written].toSorted(), "what was answered is there, nothing else");
    await client.send({
      method: "GET",
      path: "/readyz",
      query: new URLSearchParams(),
      headers: {},
      body: new Uint8Array(0),
    });

    rmSync(filler);
    await create(client, "after");
    for (const name of [...written, "after"]) {
      const { value } = await changes.next();
      assert.equal(value?.type === "ADDED" && value.object.metadata.name, name);
    }
    end.abort();
  });
});

function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const size of [65_536, 4_096, 1]) writeUntilFull(file, Buffer.alloc(size));
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, piece: Buffer): void {
  try {
    for (;;) writeSync(file, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** Writes until that is refused; what the files still had room for is written. */
async function fillStore(client: ApiClient, written: string[]): Promise<unknown> {
  for (let index = 0; index < 200; index++) {
    const name = `filler-${index}`;
    try {
      await create(client, name);
      written.push(name);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

async function create(client: ApiClient, name: string): Promise<void> {
  await client.create(ConfigMap, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace: "default", name },
    data: { text: "x".repeat(100_000) },
  });
}
