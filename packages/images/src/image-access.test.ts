// Sources that ask who wants them, on real servers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, it } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import type { TLSSocket } from "node:tls";
import { createImageCache } from "./image-cache.ts";
import { answers, serves, startImageServer } from "./image-server.testing.ts";
import type { ImageServer } from "./image-server.testing.ts";
import { ImageError } from "./image-source.ts";
import type { CachedImage, UrlSource } from "./image-source.ts";

const content = Buffer.alloc(100_000, "disk");
content.set([0x55, 0xaa], 510);

let directory: string;
let server: ImageServer;
let logged: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "viv-access-"));
  server = await startImageServer();
  logged = "";
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function fetchFrom(source: Omit<UrlSource, "kind">): Promise<CachedImage> {
  const log = (fields: object, message: string): void => void (logged += `${message} ${JSON.stringify(fields)}\n`);
  const cache = createImageCache({
    directory: join(directory, "cache"),
    logger: { info: log, warn: log },
    reserveBytes: 0,
    retryDelaysMs: [],
  });
  return cache.ensure({ kind: "url", ...source }, { signal: new AbortController().signal });
}

async function failureOf(work: Promise<unknown>): Promise<ImageError> {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(failure instanceof ImageError, String(failure));
  return failure;
}

const secret = "s3cret-token";
const headers = { authorization: `Bearer ${secret}`, "x-api-key": secret };

for (const status of [401, 403]) {
  it(`an answer ${status} is told as such, may be tried again, and quotes no credential`, async () => {
    server.behave(answers(status));
    const error = await failureOf(fetchFrom({ url: `${server.url}/disk.img?signature=${secret}`, headers }));
    assert.equal(error.code, "Unauthorized");
    assert.equal(error.retryable, true);
    assert.match(error.message, new RegExp(`answered ${status}`));
    assert.doesNotMatch(`${error.stack} ${JSON.stringify(error.cause)} ${logged}`, new RegExp(secret));
  });
}

it("a redirect takes credentials to the same origin, and to no other host, port or protocol", async () => {
  await using other = await startImageServer();
  server.behave(answers(302, { location: "/moved" }), answers(307, { location: `${other.url}/x` }));
  other.behave(serves({ content }));
  await fetchFrom({ url: `${server.url}/disk.img`, headers });
  assert.deepEqual(
    server.requests.map((each) => each.headers.authorization),
    [headers.authorization, headers.authorization],
  );
  const [stranger] = other.requests;
  assert.equal(stranger?.url, "/x");
  assert.doesNotMatch(JSON.stringify(stranger.headers), new RegExp(secret));
  assert.equal(stranger.headers["user-agent"], "vivarium");
  assert.doesNotMatch(logged, new RegExp(secret));
});

it("another host that sends the request back gets it no credentials there", async () => {
  await using other = await startImageServer();
  server.behave(answers(302, { location: `${other.url}/x` }), serves({ content }));
  other.behave(answers(302, { location: `${server.url}/whatever` }));
  await fetchFrom({ url: `${server.url}/disk.img`, headers });
  assert.equal(server.requests[1]?.url, "/whatever");
  assert.equal(server.requests[1].headers.authorization, undefined);
});

it("a user and password in the URL are a header of the first request, and in no message", async () => {
  const url = new URL(`${server.url}/disk.img`);
  [url.username, url.password] = ["robot", encodeURIComponent(`${secret}%é`)];
  server.behave(answers(401));
  const error = await failureOf(fetchFrom({ url: url.href }));
  assert.doesNotMatch(`${error.stack} ${logged}`, new RegExp(secret));
  server.behave(serves({ content }));
  await fetchFrom({ url: url.href });
  const [kind, given = ""] = server.requests[1]?.headers.authorization?.split(" ") ?? [];
  assert.equal(kind, "Basic");
  assert.equal(Buffer.from(given, "base64").toString(), `robot:${secret}%é`);
});

it("a header that cannot be sent is refused by its name, without its value", async () => {
  for (const bad of [{ "x-key": `${secret}\r\nhost: evil` }, { "x-key": `${secret}\u{1f511}` }]) {
    const error = await failureOf(fetchFrom({ url: `${server.url}/disk.img`, headers: bad }));
    assert.equal(error.code, "Unsupported");
    assert.match(error.message, /"x-key"/);
    assert.doesNotMatch(`${error.stack} ${logged}`, new RegExp(secret));
  }
  const error = await failureOf(fetchFrom({ url: `${server.url}/disk.img`, headers: { "bad name": secret } }));
  assert.match(error.message, /"bad name"/);
  assert.equal(server.requests.length, 0);
});

it("a client certificate is shown to the URL's own origin alone", async () => {
  const own = await makeCertificate("own");
  const client = await makeCertificate("client");
  setDefaultCACertificates([...getCACertificates("default"), own.cert]);
  const shown: (string | undefined)[] = [];
  const options = { ...own, requestCert: true, ca: [client.cert], rejectUnauthorized: false };
  const start = async (location?: string) => {
    const tls = createServer(options, (request, response) => {
      shown.push(JSON.stringify((request.socket as TLSSocket).getPeerCertificate().subject?.CN));
      if (location === undefined) response.end(content);
      else response.writeHead(302, { location }).end();
    });
    tls.listen(0, "127.0.0.1");
    await once(tls, "listening");
    const url = `https://127.0.0.1:${(tls.address() as AddressInfo).port}`;
    const stop = async (): Promise<void> => {
      tls.closeAllConnections();
      tls.close();
      await once(tls, "close");
    };
    return { url, [Symbol.asyncDispose]: stop };
  };
  await using second = await start();
  await using first = await start(`${second.url}/x`);
  await fetchFrom({ url: `${first.url}/disk.img`, clientCertificate: client });
  assert.deepEqual(shown, ['"client"', undefined]);
});

async function makeCertificate(name: string): Promise<{ readonly cert: string; readonly key: string }> {
  const [cert, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "pipe" });
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}
