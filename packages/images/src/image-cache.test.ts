import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, it } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { createImageCache } from "./image-cache.ts";
import type { ImageCacheOptions } from "./image-cache.ts";
import { answers, serves, startImageServer } from "./image-server.testing.ts";
import type { ImageServer } from "./image-server.testing.ts";
import { ImageError } from "./image-source.ts";
import type { ImageCache, ImageErrorCode, ImageProgress, UrlSource } from "./image-source.ts";

/** A raw disk: random bytes with a boot sector's signature. */
function diskImage(sizeBytes = 300_000): Buffer {
  const image = randomBytes(sizeBytes);
  image.set([0x55, 0xaa], 510);
  return image;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const quiet = { info: () => undefined, warn: () => undefined };
const neverAborted = new AbortController().signal;

let directory: string;
let server: ImageServer;
let delays: number[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "viv-images-"));
  server = await startImageServer();
  delays = [];
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function newCache(options: Partial<ImageCacheOptions> = {}): ImageCache {
  return createImageCache({
    directory: join(directory, "cache"),
    logger: quiet,
    reserveBytes: 0,
    retryDelaysMs: [10, 20, 40],
    clock: { nowMs: () => performance.now(), delay: (ms) => Promise.resolve(void delays.push(ms)) },
    ...options,
  });
}

function source(options: Partial<UrlSource> = {}): UrlSource {
  return { kind: "url", url: `${server.url}/disk.img`, ...options };
}

function checksumOf(bytes: Uint8Array): NonNullable<UrlSource["checksum"]> {
  return { algorithm: "sha256", hex: sha256(bytes) };
}

async function failsWith(code: ImageErrorCode, work: Promise<unknown>, message = /./): Promise<ImageError> {
  let failure: unknown;
  await assert.rejects(work, (error) => {
    failure = error;
    return true;
  });
  assert.ok(failure instanceof ImageError, String(failure));
  assert.equal(failure.code, code, failure.message);
  assert.match(failure.message, message);
  return failure;
}

it("what is forgotten is gone, but for what another source gave as well", async () => {
  const cache = newCache();
  const disk = diskImage();
  server.behave(serves({ content: disk }));
  const [one, two] = [source(), source({ url: `${server.url}/same.img` })];
  const { path } = await cache.ensure(one, { signal: neverAborted });
  await cache.ensure(two, { signal: neverAborted });
  await cache.forget(one);
  assert.equal(await cache.find(one), undefined);
  assert.equal((await cache.find(two))?.path, path);
  assert.ok((await readFile(path)).equals(disk));
  await cache.forget(two);
  await cache.forget(two);
  assert.equal(await cache.find(two), undefined);
  await assert.rejects(readFile(path), { code: "ENOENT" });
});

describe("download", () => {
  it("stores a verified image under its digest, and finds it again without asking the server", async () => {
    const content = diskImage();
    server.behave(serves({ content, etag: '"1"' }));
    const wanted = source({ checksum: checksumOf(content) });
    assert.equal(await newCache().find(wanted), undefined);
    const image = await newCache().ensure(wanted, { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
    assert.equal(image.format, "raw");
    assert.equal(image.virtualSizeBytes, content.length);
    assert.equal(image.path, join(directory, "cache/blobs/sha256", `${sha256(content)}.raw`));
    assert.deepEqual(await readFile(image.path), content);
    assert.deepEqual(await newCache().find(wanted), image);
    assert.deepEqual(await newCache().ensure(wanted, { signal: neverAborted }), image);
    assert.equal(server.requests.length, 1);
    assert.deepEqual(await readdir(join(directory, "cache/partial")), []);
    assert.deepEqual(await readdir(join(directory, "cache/work")), []);
  });

  it("resumes a download that was cut at 97 %", async () => {
    const content = diskImage();
    const cutAtByte = Math.floor(content.length * 0.97);
    server.behave(serves({ content, etag: '"1"', cutAtByte }), serves({ content, etag: '"1"' }));
    const messages: string[] = [];
    const image = await newCache().ensure(source(), {
      signal: neverAborted,
      onProgress: ({ message }) => messages.push(message),
    });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
    // What was still in a buffer when the connection ended is asked for again.
    const from = Number(/^bytes=(\d+)-$/.exec(server.requests[1]?.headers.range ?? "")?.[1]);
    assert.ok(from > cutAtByte / 2 && from <= cutAtByte, String(from));
    assert.equal(server.requests[1]?.headers["if-range"], '"1"');
    assert.equal(delays[0], 10);
    assert.ok(
      messages.some((message) => /^resuming at 2\d\d KiB$/.test(message)),
      messages.join("\n"),
    );
  });

  it("is Incomplete when it always ends early, and resumes at the next call", async () => {
    const content = diskImage();
    server.behave(serves({ content, etag: '"1"', cutAtByte: 200_000 }));
    await failsWith(
      "Incomplete",
      newCache().ensure(source(), { signal: neverAborted }),
      /200000 bytes, expected 300000/,
    );
    assert.deepEqual(delays.slice(-3), [10, 20, 40]);
    server.behave(serves({ content, etag: '"1"' }));
    const image = await newCache().ensure(source(), { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
    assert.equal(server.requests.at(-1)?.headers.range, "bytes=200000-");
  });

  it("gives up on a server without ranges that always breaks at the same byte", async () => {
    server.behave(serves({ content: diskImage(), etag: '"1"', ignoresRange: true, cutAtByte: 1000 }));
    await failsWith("Incomplete", newCache().ensure(source(), { signal: neverAborted }));
    assert.equal(server.requests.length, 4);
  });

  it("starts over when the server ignores ranges", async () => {
    const content = diskImage();
    server.behave(serves({ content, etag: '"1"', cutAtByte: 1000 }), serves({ content, ignoresRange: true }));
    const image = await newCache().ensure(source(), { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
  });

  it("never joins the start of one file to the end of another", async () => {
    const [old, current] = [diskImage(), diskImage(310_000)];
    server.behave(serves({ content: old, etag: '"1"', cutAtByte: 200_000 }), serves({ content: current, etag: '"2"' }));
    const image = await newCache().ensure(source(), { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(current)}`);
  });

  it("does not resume without validator or checksum, as nothing would tell that the file changed", async () => {
    const content = diskImage();
    server.behave(serves({ content, cutAtByte: 200_000 }), serves({ content }));
    await newCache().ensure(source(), { signal: neverAborted });
    assert.equal(server.requests[1]?.headers.range, undefined);
  });

  it("retries a server error, waiting as long as the server asks", async () => {
    const content = diskImage();
    server.behave(answers(500), answers(503, { "retry-after": "7" }), serves({ content }));
    await newCache().ensure(source(), { signal: neverAborted });
    assert.deepEqual(delays, [10, 7000]);
  });

  it("is HttpError when the server goes on failing or refuses", async () => {
    server.behave(answers(500));
    await failsWith("HttpError", newCache().ensure(source(), { signal: neverAborted }), /answered 500/);
    assert.equal(server.requests.length, 4);
    server.behave(answers(418));
    await failsWith("HttpError", newCache().ensure(source(), { signal: neverAborted }), /answered 418/);
    assert.equal(server.requests.length, 5);
  });

  it("is NotFound at once for 404 and 410", async () => {
    for (const status of [404, 410]) {
      server.behave(answers(status));
      const error = await failsWith("NotFound", newCache().ensure(source(), { signal: neverAborted }));
      assert.equal(error.retryable, false);
    }
    assert.deepEqual(delays, []);
  });

  it("is Unreachable when nobody listens, or nothing comes", async () => {
    const closed = await startImageServer();
    await closed[Symbol.asyncDispose]();
    const url = `${closed.url}/x`;
    await failsWith("Unreachable", newCache().ensure(source({ url }), { signal: neverAborted }), /ECONNREFUSED/);
    assert.deepEqual(delays, [10]);
    server.behave(() => undefined);
    const cache = newCache({ retryDelaysMs: [], idleTimeoutMs: 30 });
    await failsWith("Unreachable", cache.ensure(source(), { signal: neverAborted }), /nothing came for 0.03 s/);
  });

  it("is Incomplete when the server stops sending", async () => {
    const content = diskImage();
    server.behave((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 1000));
    });
    const cache = newCache({ retryDelaysMs: [], idleTimeoutMs: 30 });
    await failsWith("Incomplete", cache.ensure(source(), { signal: neverAborted }), /nothing came/);
  });

  it("follows redirects, but neither for ever nor to other protocols", async () => {
    const content = diskImage();
    server.behave(answers(302, { location: "/elsewhere" }), serves({ content }));
    await newCache().ensure(source(), { signal: neverAborted });
    assert.equal(server.requests[1]?.url, "/elsewhere");
    server.behave(answers(302, { location: "/loop" }));
    await failsWith(
      "HttpError",
      newCache().ensure(source({ url: `${server.url}/b` }), { signal: neverAborted }),
      /redirects/,
    );
    server.behave(answers(302, { location: "file:///etc/passwd" }));
    await failsWith(
      "HttpError",
      newCache().ensure(source({ url: `${server.url}/c` }), { signal: neverAborted }),
      /file:/,
    );
  });

  it("keeps the user's headers from other hosts", async () => {
    await using other = await startImageServer();
    other.behave(serves({ content: diskImage() }));
    server.behave(answers(307, { location: `${other.url}/x` }));
    await newCache().ensure(source({ headers: { Authorization: "Bearer secret" } }), { signal: neverAborted });
    assert.equal(server.requests[0]?.headers.authorization, "Bearer secret");
    assert.equal(other.requests[0]?.headers.authorization, undefined);
  });

  it("refuses a wrong checksum, says both, and keeps nothing", async () => {
    const content = diskImage();
    server.behave(serves({ content, etag: '"1"' }));
    const wanted = source({ checksum: { algorithm: "sha512", hex: "AB".repeat(64) } });
    const error = await failsWith(
      "ChecksumMismatch",
      newCache().ensure(wanted, { signal: neverAborted }),
      /expected abab/,
    );
    assert.match(error.message, new RegExp(createHash("sha512").update(content).digest("hex")));
    assert.deepEqual(await readdir(join(directory, "cache/partial")), []);
    assert.deepEqual(await readdir(join(directory, "cache/blobs/sha256")), []);
  });

  it("is DiskFull before it starts when the image and the reserve do not fit", async () => {
    server.behave(serves({ content: diskImage() }));
    const cache = newCache({ reserveBytes: 2 ** 60 });
    await failsWith("DiskFull", cache.ensure(source(), { signal: neverAborted }), /a reserve of/);
  });

  it("reports progress with totals, at most about four times a second", async () => {
    const content = diskImage(3_000_000);
    let nowMs = 0;
    server.behave(serves({ content }));
    const seen: ImageProgress[] = [];
    const cache = newCache({ clock: { nowMs: () => (nowMs += 10), delay: () => Promise.resolve() } });
    await cache.ensure(source(), { signal: neverAborted, onProgress: (progress) => seen.push(progress) });
    const downloading = seen.filter((progress) => progress.phase === "Downloading");
    assert.ok(downloading.length >= 2 && downloading.length < 20, String(downloading.length));
    assert.equal(downloading.at(-1)?.transferredBytes, content.length);
    assert.equal(downloading.at(-1)?.totalBytes, content.length);
    assert.equal(downloading.at(-1)?.etaSeconds, 0);
  });

  it("refuses other protocols", async () => {
    await failsWith("Unsupported", newCache().ensure(source({ url: "ftp://example.org/a" }), { signal: neverAborted }));
  });
});

describe("refresh", () => {
  const refresh = (cache: ImageCache) => cache.ensure(source(), { signal: neverAborted, refresh: true });

  it("fetches what the URL gives by now, and leaves the former image where it is", async () => {
    const [before, after] = [diskImage(), diskImage()];
    server.behave(serves({ content: before, etag: '"1"' }));
    const cache = newCache();
    const first = await refresh(cache);
    server.behave(serves({ content: after, etag: '"2"' }));
    const second = await refresh(cache);
    assert.equal(second.digest, `sha256:${sha256(after)}`);
    assert.deepEqual(await readFile(first.path), before);
    assert.deepEqual(await cache.find(source()), second);
  });

  it("fetches nothing where the server says that it is the same", async () => {
    server.behave(serves({ content: diskImage(), etag: '"1"' }));
    const cache = newCache();
    const first = await refresh(cache);
    server.behave(answers(304));
    assert.deepEqual(await refresh(cache), first);
    assert.equal(server.requests.at(-1)?.headers["if-none-match"], '"1"');
    // A server that knows no conditions sends the file again, which is not read.
    server.behave(serves({ content: diskImage(), etag: '"1"' }));
    assert.deepEqual(await refresh(cache), first);
  });

  it("fetches to see where the server gives no validator", async () => {
    const content = diskImage();
    server.behave(serves({ content }));
    const cache = newCache();
    const first = await refresh(cache);
    assert.deepEqual(await refresh(cache), first);
    assert.equal(server.requests.length, 2);
  });

  it("keeps the image when the server is gone or says no", async () => {
    server.behave(serves({ content: diskImage(), etag: '"1"' }));
    const cache = newCache();
    const first = await refresh(cache);
    server.behave(answers(404));
    await failsWith("NotFound", refresh(cache));
    assert.deepEqual(await cache.find(source()), first);
  });
});

describe("force", () => {
  it("fetches what is here again, once for each call, whatever the server says of it", async () => {
    const [before, after] = [diskImage(), diskImage()];
    server.behave(serves({ content: before, etag: '"1"' }));
    const cache = newCache();
    const wanted = source({ checksum: checksumOf(before) });
    const first = await cache.ensure(wanted, { signal: neverAborted });
    assert.deepEqual(await cache.ensure(wanted, { signal: neverAborted, force: true }), first);
    assert.equal(server.requests.length, 2);
    assert.equal(server.requests[1]?.headers["if-none-match"], undefined);
    server.behave(serves({ content: after, etag: '"1"' }));
    await failsWith("ChecksumMismatch", cache.ensure(wanted, { signal: neverAborted, force: true }));
    assert.deepEqual(await cache.find(wanted), first);
  });
});

describe("the form in which an image is kept", () => {
  for (const [name, stored, format, contains] of [
    ["qcow2 where a raw one came", { format: "qcow2" }, "qcow2", "qcow2"],
    ["raw where a qcow2 one came", { format: "raw" }, "raw", "raw"],
    ["compressed", { isCompressed: true }, "qcow2", "qcow2"],
  ] as const) {
    it(`is ${name}, and another image than that which is kept as it came`, async () => {
      const content = Buffer.alloc(3 << 20, "text that repeats ");
      content.set([0x55, 0xaa], 510);
      const raw = join(directory, "disk.raw");
      const packed = join(directory, "disk.qcow2");
      await writeFile(raw, content);
      execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, packed]);
      const came = stored.format === "raw" ? packed : raw;
      server.behave(serves({ content: await readFile(came) }));
      const cache = newCache();
      const plain = await cache.ensure(source(), { signal: neverAborted });
      const image = await cache.ensure({ ...source(), stored }, { signal: neverAborted });
      assert.equal(image.format, format);
      assert.equal(image.virtualSizeBytes, content.length);
      assert.notEqual(image.path, plain.path);
      const info = JSON.parse(
        execFileSync("qemu-img", ["info", "--output=json", image.path], { encoding: "utf8" }),
      ) as {
        readonly format: string;
        readonly "virtual-size": number;
      };
      assert.equal(info.format, contains);
      execFileSync("qemu-img", ["compare", "-f", format, "-F", "raw", image.path, raw]);
      assert.equal(image.sizeBytes < 1 << 20, "isCompressed" in stored, String(image.sizeBytes));
      assert.deepEqual(await cache.find({ ...source(), stored }), image);
      assert.deepEqual(await cache.find(source()), plain);
    });
  }

  it("asks for no conversion where it came so", async () => {
    const content = diskImage();
    server.behave(serves({ content }));
    const image = await newCache().ensure({ ...source(), stored: { format: "raw" } }, { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
  });
});

describe("content", () => {
  for (const [name, compress] of [
    ["gzip", gzipSync],
    ["zstd", zstdCompressSync],
  ] as const) {
    it(`unpacks ${name}`, async () => {
      const content = diskImage();
      const packed = compress(content);
      server.behave(serves({ content: packed }));
      const image = await newCache().ensure(source({ checksum: checksumOf(packed) }), { signal: neverAborted });
      assert.equal(image.digest, `sha256:${sha256(content)}`);
    });
  }

  it("refuses a web page, an empty file and a broken archive", async () => {
    server.behave(serves({ content: Buffer.from("<!DOCTYPE html><html>Not here</html>") }));
    await failsWith("UnknownFormat", newCache().ensure(source(), { signal: neverAborted }), /a web page/);
    server.behave(serves({ content: Buffer.alloc(0) }));
    await failsWith("UnknownFormat", newCache().ensure(source(), { signal: neverAborted }), /empty/);
    server.behave(serves({ content: gzipSync(diskImage()).subarray(0, 100_000) }));
    await failsWith("UnknownFormat", newCache().ensure(source(), { signal: neverAborted }), /broken gzip/);
    assert.deepEqual(await readdir(join(directory, "cache/partial")), []);
    assert.deepEqual(await readdir(join(directory, "cache/work")), []);
  });
});

describe("start", () => {
  it("removes what was left half done, and downloads that nobody has asked for in a week", async () => {
    const cache = join(directory, "cache");
    await mkdir(join(cache, "work/old/root"), { recursive: true });
    await mkdir(join(cache, "partial"), { recursive: true });
    await writeFile(join(cache, "work/old/root/file"), "x");
    for (const [name, ageDays] of [
      ["old.part", 8],
      ["young.part", 6],
    ] as const) {
      await writeFile(join(cache, "partial", name), "x");
      const then = Date.now() / 1000 - ageDays * 86_400;
      await utimes(join(cache, "partial", name), then, then);
    }
    server.behave(serves({ content: diskImage() }));
    await newCache().ensure(source(), { signal: neverAborted });
    assert.deepEqual(await readdir(join(cache, "work")), []);
    assert.deepEqual(await readdir(join(cache, "partial")), ["young.part"]);
  });
});

describe("file sources", () => {
  it("are copied, so that a change of the file makes a new image and leaves the old one alone", async () => {
    const path = join(directory, "disk.raw");
    const [before, after] = [diskImage(), diskImage()];
    await writeFile(path, before);
    const wanted = source({ url: pathToFileURL(path).href });
    const cache = newCache();
    const first = await cache.ensure(wanted, { signal: neverAborted });
    assert.deepEqual(await cache.find(wanted), first);
    await writeFile(path, after);
    assert.equal(await cache.find(wanted), undefined);
    const second = await cache.ensure(wanted, { signal: neverAborted });
    assert.deepEqual(await readFile(first.path), before);
    assert.deepEqual(await readFile(second.path), after);
    await rm(path);
    assert.deepEqual(await cache.find(wanted), second);
  });

  it("are NotFound when there is no such file, or it is a directory", async () => {
    for (const path of [join(directory, "none"), directory]) {
      await failsWith(
        "NotFound",
        newCache().ensure(source({ url: pathToFileURL(path).href }), { signal: neverAborted }),
      );
    }
  });
});

describe("sharing", () => {
  it("fetches once for all who ask, and goes on when one of them gives up", async () => {
    const content = diskImage();
    let finish: (() => void) | undefined;
    server.behave((_, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 1000));
      finish = () => void response.end(content.subarray(1000));
    });
    const cache = newCache();
    const impatient = new AbortController();
    const started = Promise.withResolvers<void>();
    const first = cache.ensure(source(), { signal: impatient.signal, onProgress: () => started.resolve() });
    const second = cache.ensure(source(), { signal: neverAborted });
    await started.promise;
    impatient.abort(new Error("gave up"));
    await assert.rejects(first, /gave up/);
    finish?.();
    assert.equal((await second).digest, `sha256:${sha256(content)}`);
    assert.equal(server.requests.length, 1);
  });

  it("stops when the last gives up, and resumes for the next who asks", async () => {
    const content = diskImage();
    const closed = Promise.withResolvers<void>();
    server.behave(
      (_, response) => {
        response.writeHead(200, { "content-length": content.length, etag: '"1"' });
        response.write(content.subarray(0, 100_000));
        response.once("close", closed.resolve);
      },
      serves({ content, etag: '"1"' }),
    );
    const cache = newCache({ clock: { nowMs: () => performance.now() * 1000, delay: () => Promise.resolve() } });
    const abort = new AbortController();
    const onProgress = ({ transferredBytes }: ImageProgress): void => {
      if (transferredBytes >= 100_000) abort.abort(new Error("stop"));
    };
    await assert.rejects(cache.ensure(source(), { signal: abort.signal, onProgress }), /stop/);
    await closed.promise;
    const image = await cache.ensure(source(), { signal: neverAborted });
    assert.equal(image.digest, `sha256:${sha256(content)}`);
    assert.match(server.requests[1]?.headers.range ?? "", /^bytes=\d+-$/);
  });

  it("fetches again when a stored image is gone or was cut", async () => {
    const content = diskImage();
    server.behave(serves({ content }));
    const cache = newCache();
    const image = await cache.ensure(source(), { signal: neverAborted });
    await writeFile(image.path, content.subarray(0, 10));
    assert.equal(await cache.find(source()), undefined);
    assert.deepEqual(await cache.ensure(source(), { signal: neverAborted }), image);
    await rm(image.path);
    assert.deepEqual(await cache.ensure(source(), { signal: neverAborted }), image);
    assert.equal(server.requests.length, 3);
  });
});
