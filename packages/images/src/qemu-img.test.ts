import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { missingTools } from "./host-tools.ts";
import { qemuImg } from "./qemu-img.ts";
import { CommandError } from "./run-command.ts";

const hasQemuImg = (await missingTools([{ name: "qemu-img", debianPackage: "qemu-utils" }])).length === 0;
const skip = hasQemuImg ? false : "qemu-img is not on this host";
const signal = new AbortController().signal;

test("qemu-img reaches no network, not even this host's own", { skip }, async (t) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const read = qemuImg(["info", "-f", "raw", `nbd:127.0.0.1:${port}`], { action: "look", signal });
  await assert.rejects(read, CommandError);
  assert.equal(connections, 0);
});

test("qemu-img writes no file beyond what it may", { skip }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "viv-limit-"));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "disk");
  const options = ["create", "-q", "-f", "raw", "-o", "preallocation=full", path, "8M"];
  const written = qemuImg(options, { action: "write", signal, maxFileBytes: 1 << 20 });
  await assert.rejects(written, CommandError);
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  assert.ok(size <= 1 << 20, String(size));
});
