import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { pino } from "pino";
import { openTestServer, shown, widget, widgetsPath, type CallOptions, type Json } from "../testing/test-server.ts";
import { AuditFile } from "./audit-file.ts";
import type { AuditSink } from "./audit-log.ts";

class Lines implements AuditSink {
  readonly all: string[] = [];
  room(): undefined {
    return undefined;
  }
  write(line: Uint8Array): void {
    this.all.push(Buffer.from(line).toString());
  }
  get events(): readonly Json[] {
    return this.all.map((line) => JSON.parse(line) as Json);
  }
  of(resource: string): Json[] {
    return this.events.filter((event) => shown(event["objectRef"]?.["resource"]) === resource);
  }
}

const fromOutside = { sourceIp: "192.0.2.7", headers: { "user-agent": "kubectl/v1.34" } };

async function open() {
  const sink = new Lines();
  const server = await openTestServer({ audit: { sink }, runsTasks: false });
  sink.all.length = 0;
  const call = (method: Parameters<typeof server.call>[0], path: string, options: CallOptions = {}) =>
    server.call(method, path, { ...fromOutside, ...options, headers: { ...fromOutside.headers, ...options.headers } });
  return { sink, server, call };
}

test("each change is told in Kubernetes' form: who, what, from where, and how it ended", async () => {
  const { sink, call } = await open();
  await call("POST", widgetsPath, {
    body: `{"apiVersion":"example.dev/v1",\n"kind":"Widget","metadata":{"name":"a"},"spec":{"size":1}}`,
  });
  await call("GET", `${widgetsPath}/a`);
  await call("POST", widgetsPath, { body: widget("a") });
  await call("DELETE", `${widgetsPath}/a`);
  const [created, refused, deleted, ...others] = sink.of("widgets");
  assert.deepEqual(others, []);
  const { auditID, requestReceivedTimestamp, stageTimestamp, ...rest } = created as Record<string, unknown>;
  assert.match(String(auditID), /^[0-9a-f-]{36}$/);
  for (const time of [requestReceivedTimestamp, stageTimestamp]) assert.match(String(time), /^\d{4}-.*T.*\.\d{6}Z$/);
  assert.deepEqual(rest, {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Request",
    stage: "ResponseComplete",
    requestURI: widgetsPath,
    verb: "create",
    user: { username: "tester", groups: ["system:masters"] },
    sourceIPs: ["192.0.2.7"],
    userAgent: "kubectl/v1.34",
    objectRef: { resource: "widgets", namespace: "default", name: "a", apiGroup: "example.dev", apiVersion: "v1" },
    responseStatus: { metadata: {}, code: 201 },
    annotations: {
      "authorization.k8s.io/decision": "allow",
      "authorization.k8s.io/reason": "allowed by membership in the group system:masters",
    },
    requestObject: { apiVersion: "example.dev/v1", kind: "Widget", metadata: { name: "a" }, spec: { size: 1 } },
  });
  assert.deepEqual(
    [refused?.["responseStatus"]?.["code"], refused?.["responseStatus"]?.["reason"], deleted?.["verb"]],
    [409, "AlreadyExists", "delete"],
  );
});

test("what is refused is told, reads too, and whom it was done as", async () => {
  const { sink, server, call } = await open();
  const user = { name: "eve", groups: [] };
  await call("GET", widgetsPath, { user });
  await call("DELETE", `${widgetsPath}/a`, { headers: { "impersonate-user": "bob" } });
  server.server.unauthenticated({
    method: "GET",
    path: widgetsPath,
    query: new URLSearchParams(),
    headers: {},
    body: new Uint8Array(),
    signal: new AbortController().signal,
  });
  const [denied, impersonated, unknown] = sink.of("widgets");
  assert.deepEqual(
    [
      denied?.["verb"],
      denied?.["annotations"]?.["authorization.k8s.io/decision"],
      denied?.["responseStatus"]?.["code"],
    ],
    ["list", "forbid", 403],
  );
  assert.equal(impersonated?.["impersonatedUser"]?.["username"], "bob");
  assert.equal(impersonated?.["user"]?.["username"], "tester");
  assert.deepEqual(
    [unknown?.["responseStatus"]?.["code"], unknown?.["responseStatus"]?.["reason"]],
    [401, "Unauthorized"],
  );
});

test("contents of Secrets and ConfigMaps, tokens and what was not understood never come into the log", async () => {
  const { sink, call } = await open();
  const core = "/api/v1/namespaces/default";
  const word = "sesame";
  const data = { stringData: { word } };
  await call("POST", `${core}/secrets`, {
    body: { apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, ...data },
  });
  await call("PATCH", `${core}/secrets/s`, {
    body: data,
    headers: { "content-type": "application/merge-patch+json" },
  });
  await call("POST", `${core}/configmaps`, {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c" }, data: { word } },
  });
  await call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token: word } },
  });
  await call("POST", `${core}/sekrets`, { body: { apiVersion: "v1", kind: "Secret", ...data } });
  await call("POST", widgetsPath, { body: `{${word}` });
  assert.equal(sink.all.length, 6);
  for (const line of sink.all) assert.ok(!line.includes(word), line);
  assert.equal(sink.of("secrets")[0]?.["objectRef"]?.["name"], "s");
});

test("bodies in YAML are told as JSON, and large ones by their hash", async () => {
  const { sink, call } = await open();
  const yaml = "apiVersion: example.dev/v1\nkind: Widget\nmetadata: {name: y}\nspec: {size: 2}\n";
  await call("POST", widgetsPath, { body: yaml, headers: { "content-type": "application/yaml" } });
  const annotations = { big: "x".repeat(70_000) };
  await call("POST", widgetsPath, { body: widget("big", { metadata: { annotations } }) });
  const [small, large] = sink.of("widgets");
  assert.equal(shown(small?.["requestObject"]?.["spec"]?.["size"]), "2");
  assert.equal(large?.["requestObject"], undefined);
  assert.match(shown(large?.["annotations"]?.["vivarium.dev/request-sha256"]), /^[0-9a-f]{64}$/);
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp("/tmp/vivarium-audit-");
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const silent = pino({ level: "silent" });

test("a clean end loses nothing; full files are put aside and the oldest removed; nobody else may read", async (t) => {
  const path = join(await folder(t), "audit.log");
  let minute = 0;
  const now = () => new Date(Date.UTC(2030, 0, 1, 0, minute++));
  for (let run = 0; run < 5; run++) {
    const file = new AuditFile({ path, maxBytes: 1000, keep: 2, log: silent, now });
    for (let index = 0; index < 100; index++) file.write(Buffer.from(`${JSON.stringify({ run, index })}\n`));
    await file.close();
  }
  const names = (await readdir(join(path, ".."))).toSorted();
  assert.deepEqual(names, ["audit-2030-01-01T00-02-00.000.log", "audit-2030-01-01T00-03-00.000.log", "audit.log"]);
  const lines = (await readFile(path, "utf8")).trim().split("\n");
  assert.deepEqual([lines.length, lines.at(-1)], [100, '{"run":4,"index":99}']);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test("while the log cannot be written, changes are refused and reads go on; then it heals by itself", async (t) => {
  const directory = join(await folder(t), "logs");
  const path = join(directory, "audit.log");
  // The file comes after the start of the server: what that tells would open it before the directory is gone.
  let opened: AuditFile | undefined;
  const sink: AuditSink = { room: () => opened?.room(), write: (line) => opened?.write(line) };
  const { call } = await openTestServer({ audit: { sink }, runsTasks: false });
  const file = new AuditFile({ path, maxBytes: 1e9, keep: 1, log: silent });
  opened = file;
  await rm(directory, { recursive: true });
  const line = "x".repeat(1024 * 1024);
  for (let count = 0; count < 5; count++) file.write(Buffer.from(`${line}\n`));
  const message = await refusal(file);
  assert.match(message, /the audit log cannot be written \(ENOENT/);
  const refused = await call("POST", widgetsPath, { body: widget("a") });
  assert.deepEqual([refused.status, refused.body["message"]], [503, message]);
  assert.equal((await call("GET", widgetsPath)).status, 200);
  await mkdir(directory);
  file.write(Buffer.from("last\n"));
  await file.close();
  const lines = (await readFile(path, "utf8")).trim().split("\n");
  assert.equal(lines.filter((each) => each === line).length, 5);
  assert.ok(lines.includes("last"));
});

async function refusal(file: AuditFile): Promise<string> {
  for (;;) {
    try {
      await Promise.race([file.room(), turn()]);
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
  }
}
