import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { it } from "node:test";
import { createImageCache } from "./image-cache.ts";
import { serves, startImageServer } from "./image-server.testing.ts";

const child = `
import { createImageCache } from ${JSON.stringify(new URL("./image-cache.ts", import.meta.url).href)};
const [directory, url] = process.argv.slice(1);
const cache = createImageCache({ directory, logger: { info() {}, warn() {} }, reserveBytes: 0 });
await cache.ensure({ kind: "url", url }, {
  signal: new AbortController().signal,
  onProgress: ({ transferredBytes }) => process.stdout.write(transferredBytes + "\\n"),
});
`;

it("resumes after kill -9 in the middle of a download", async () => {
  const directory = await mkdtemp(join(tmpdir(), "viv-images-"));
  await using server = await startImageServer();
  try {
    const content = randomBytes(2_000_000);
    content.set([0x55, 0xaa], 510);
    server.behave(
      (_, response) => {
        response.writeHead(200, { "content-length": content.length, etag: '"1"' });
        // A bit now and the next when the child was seen to have it: it never gets all.
        response.write(content.subarray(0, 500_000));
        setTimeout(() => response.write(content.subarray(500_000, 1_000_000)), 300);
      },
      serves({ content, etag: '"1"' }),
    );
    const url = `${server.url}/disk.img`;
    const fetching = spawn(process.execPath, ["--input-type=module", "-e", child, "--", directory, url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    for await (const line of createInterface({ input: fetching.stdout })) {
      if (Number(line) > 500_000) fetching.kill("SIGKILL");
    }
    if (fetching.signalCode === null) await once(fetching, "exit");
    assert.equal(fetching.signalCode, "SIGKILL");

    const cache = createImageCache({
      directory,
      logger: { info: () => undefined, warn: () => undefined },
      reserveBytes: 0,
    });
    assert.equal(await cache.find({ kind: "url", url }), undefined);
    const image = await cache.ensure({ kind: "url", url }, { signal: new AbortController().signal });
    assert.equal(image.digest, `sha256:${createHash("sha256").update(content).digest("hex")}`);
    assert.deepEqual(await readFile(image.path), content);
    const from = Number(/^bytes=(\d+)-$/.exec(server.requests[1]?.headers.range ?? "")?.[1]);
    assert.ok(from >= 500_000 && from <= 1_000_000, String(from));
    assert.deepEqual(await readdir(join(directory, "partial")), []);
    assert.deepEqual(await readdir(join(directory, "work")), []);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
