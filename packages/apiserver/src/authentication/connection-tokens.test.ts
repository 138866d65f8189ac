import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { WebSocket } from "ws";
import { listenHttps, type HttpsListener } from "../https/listen-https.ts";
import type { Subresource } from "../subresources.ts";
import { testCertificate, testKey } from "../testing/test-certificate.ts";
import { openTestServer, shown, widget, widgetsPath, type TestServer } from "../testing/test-server.ts";
import { ServiceAccountKeys } from "./service-account-keys.ts";

const who: Subresource = {
  group: "example.dev",
  plural: "widgets",
  name: "who",
  givesTokens: true,
  async connect({ user, query }) {
    return (socket) => socket.write(Buffer.from(`${user.name} ${query.toString()}`));
  },
};
const plain: Subresource = { ...who, name: "plain", givesTokens: false };

describe("tokens for connections", () => {
  let server: TestServer;
  let listener: HttpsListener;
  let nowMs = Date.parse("2026-01-01T00:00:00Z");
  const audited: string[] = [];

  before(async () => {
    const keys = await ServiceAccountKeys.parse(await ServiceAccountKeys.generate());
    server = await openTestServer({
      subresources: [who, plain],
      authentication: { serviceAccounts: { keys, issuer: "https://test.internal" } },
      audit: {
        sink: { room: () => undefined, write: (line) => void audited.push(Buffer.from(line).toString()) },
        level: "Request",
      },
      clock: () => new Date(nowMs),
    });
    listener = await listenHttps(server.server, { host: "127.0.0.1", port: 0, key: testKey, cert: testCertificate });
    for (const name of ["a", "b"]) await server.call("POST", widgetsPath, { body: widget(name) });
  });
  after(async () => {
    await server.server.close();
    await listener.close();
  });

  const request = (spec: object = {}) => ({ apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec });

  async function token(name = "a", spec: object = {}): Promise<string> {
    const answer = await server.call("POST", `${widgetsPath}/${name}/whotoken`, { body: request(spec) });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return shown(answer.body["status"]?.["token"]);
  }

  /** What was heard, or the HTTP code of the refusal. */
  function open(path: string, headers: Record<string, string> = {}): Promise<string | number> {
    const url = `wss://127.0.0.1:${listener.port}${widgetsPath}/${path}`;
    const socket = new WebSocket(url, { ca: testCertificate, headers });
    socket.on("error", () => undefined);
    return new Promise((resolve) => {
      socket.on("message", (data: Buffer) => resolve(data.toString()));
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
    });
  }

  test("a token opens its connection as the user who asked for it, and is seen by nobody further in", async () => {
    const made = await token();
    assert.equal(await open(`a/who?x=1&token=${made}`), "tester x=1");
    assert.ok(audited.length > 0);
    assert.ok(audited.every((line) => !line.includes(made)));
  });

  test("a token opens one connection", async () => {
    const made = await token();
    assert.equal(await open(`a/who?token=${made}`), "tester ");
    assert.equal(await open(`a/who?token=${made}`), 401);
  });

  test("a token ends at its time", async () => {
    const short = await token("a", { expirationSeconds: 10 });
    const usual = await token();
    nowMs += 11_000;
    assert.equal(await open(`a/who?token=${short}`), 401);
    nowMs += 50_000;
    assert.equal(await open(`a/who?token=${usual}`), 401);
  });

  test("a token is for one object, as it was, and for one subresource", async () => {
    assert.equal(await open(`b/who?token=${await token("a")}`), 401);
    assert.equal(await open(`a/plain?token=${await token("a")}`), 401);
    const made = await token("b");
    await server.call("DELETE", `${widgetsPath}/b`);
    assert.equal(await open(`b/who?token=${made}`), 401);
    await server.call("POST", widgetsPath, { body: widget("b") });
    assert.equal(await open(`b/who?token=${made}`), 401);
  });

  test("a wrong token is refused, also beside nothing at all", async () => {
    for (const wrong of ["", "x", "a.b.c", `${await token()}x`]) assert.equal(await open(`a/who?token=${wrong}`), 401);
  });

  test("a token for connections is no bearer token, and a service account's opens no connection by URL", async () => {
    const ours = await token();
    assert.equal(await open("a/who", { authorization: `Bearer ${ours}` }), 401);
    const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    const account = await server.call("POST", path, { body: request() });
    assert.equal(account.status, 201);
    assert.equal(await open(`a/who?token=${shown(account.body["status"]?.["token"])}`), 401);
  });

  test("the user's rights are looked at when the token is used", async () => {
    const answer = await server.call("POST", `${widgetsPath}/a/whotoken`, {
      body: request(),
      user: { name: "nobody-much", groups: ["system:authenticated"] },
    });
    assert.equal(answer.status, 403);
    const role = { apiGroups: ["example.dev"], resources: ["widgets/whotoken"], verbs: ["create"] };
    const access = "/apis/rbac.authorization.k8s.io/v1";
    await server.call("POST", `${access}/clusterroles`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "asks" },
        rules: [role],
      },
    });
    await server.call("POST", `${access}/clusterrolebindings`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "asks" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "asks" },
        subjects: [{ kind: "User", name: "nobody-much", apiGroup: "rbac.authorization.k8s.io" }],
      },
    });
    const user = { name: "nobody-much", groups: ["system:authenticated"] };
    let status = 403;
    while (status === 403)
      status = (await server.call("POST", `${widgetsPath}/a/whotoken`, { body: request(), user })).status;
    const made = await server.call("POST", `${widgetsPath}/a/whotoken`, { body: request(), user });
    assert.equal(await open(`a/who?token=${shown(made.body["status"]?.["token"])}`), 403);
  });

  test("what a token cannot be is Invalid, field by field; where there is no connection there is no token", async () => {
    const bad = { expirationSeconds: 301, audiences: ["x"], boundObjectRef: { kind: "Secret", name: "x" } };
    const answer = await server.call("POST", `${widgetsPath}/a/whotoken`, { body: request(bad) });
    assert.equal(answer.status, 422);
    const causes = answer.body["details"]?.["causes"] as unknown as readonly { field: string }[];
    assert.deepEqual(
      causes.map(({ field }) => field),
      ["spec.expirationSeconds", "spec.audiences", "spec.boundObjectRef"],
    );
    assert.equal((await server.call("POST", `${widgetsPath}/a/plaintoken`, { body: request() })).status, 404);
    assert.equal((await server.call("POST", `${widgetsPath}/zzz/whotoken`, { body: request() })).status, 404);
  });
});
