import assert from "node:assert/strict";
import { test } from "node:test";
import type { UserInfo } from "@vivarium/api";
import { ServiceAccountKeys } from "../authentication/service-account-keys.ts";
import { settled } from "../testing/settled.ts";
import { openTestServer, shown, type Json, type TestServer } from "../testing/test-server.ts";

const alice: UserInfo = { name: "alice", uid: "7", groups: ["system:authenticated"], extra: { scopes: ["a"] } };
const authorization = "/apis/authorization.k8s.io/v1";
const authentication = "/apis/authentication.k8s.io/v1";

async function ask(server: TestServer, path: string, spec?: object, user: UserInfo = alice): Promise<Json> {
  const plural = path.split("/").at(-1) ?? "";
  const kinds: Record<string, string> = {
    selfsubjectaccessreviews: "SelfSubjectAccessReview",
    subjectaccessreviews: "SubjectAccessReview",
    localsubjectaccessreviews: "LocalSubjectAccessReview",
    selfsubjectrulesreviews: "SelfSubjectRulesReview",
    selfsubjectreviews: "SelfSubjectReview",
    tokenreviews: "TokenReview",
  };
  const body = {
    apiVersion: path.startsWith(authorization) ? "authorization.k8s.io/v1" : "authentication.k8s.io/v1",
    kind: kinds[plural],
    ...(spec && { spec }),
  };
  return (await server.call("POST", path, { body, user })).body;
}

test("everybody who is known may ask what he may do and who he is; of others, only who may ask that", async () => {
  const server = await openTestServer();
  const resourceAttributes = { verb: "list", resource: "secrets", namespace: "default" };
  const own = await ask(server, `${authorization}/selfsubjectaccessreviews`, { resourceAttributes });
  assert.deepEqual(own["status"], { allowed: false });
  const version = { nonResourceAttributes: { path: "/version", verb: "get" } };
  const allowed = await ask(server, `${authorization}/selfsubjectaccessreviews`, version);
  assert.equal(allowed["status"]?.["allowed"], true);
  assert.match(shown(allowed["status"]?.["reason"]), /ClusterRoleBinding "system:discovery"/);
  const me = await ask(server, `${authentication}/selfsubjectreviews`);
  assert.deepEqual(me["status"], {
    userInfo: { username: "alice", uid: "7", groups: ["system:authenticated"], extra: { scopes: ["a"] } },
  });
  const rules = await ask(server, `${authorization}/selfsubjectrulesreviews`, { namespace: "default" });
  assert.match(shown(rules["status"]?.["resourceRules"]), /selfsubjectaccessreviews/);
  assert.match(shown(rules["status"]?.["nonResourceRules"]), /\/openapi/);
  const others = { resourceAttributes, user: "bob", groups: ["system:masters"] };
  assert.equal((await ask(server, `${authorization}/subjectaccessreviews`, others))["reason"], "Forbidden");
  const administrator: UserInfo = { name: "root", groups: ["system:masters"] };
  const asked = await ask(server, `${authorization}/subjectaccessreviews`, others, administrator);
  assert.equal(asked["status"]?.["allowed"], true);
  const local = `${authorization}/namespaces/default/localsubjectaccessreviews`;
  assert.equal(
    (await ask(server, local, { resourceAttributes, user: "bob" }, administrator))["status"]?.["allowed"],
    false,
  );
  const wrong = { resourceAttributes: { ...resourceAttributes, namespace: "x" }, user: "bob" };
  assert.equal((await ask(server, local, wrong, administrator))["reason"], "Invalid");
});

test("a review is created and nothing else", async () => {
  const { call } = await openTestServer();
  assert.equal((await call("GET", `${authorization}/selfsubjectaccessreviews`)).status, 405);
  assert.equal((await call("GET", `${authorization}/selfsubjectaccessreviews/a`)).status, 404);
  const { body } = await call("GET", authorization);
  assert.match(
    shown(body["resources"]),
    /"name":"selfsubjectaccessreviews","singularName":"selfsubjectaccessreview","namespaced":false,"kind":"SelfSubjectAccessReview","verbs":\["create"\]/,
  );
});

test("a token of a service account holds for its audience, its time and its account", async () => {
  let now = new Date("2030-01-01T00:00:00Z");
  const keys = await ServiceAccountKeys.parse(await ServiceAccountKeys.generate());
  const issuer = "https://vivarium.test";
  const server = await openTestServer({ clock: () => now, authentication: { serviceAccounts: { keys, issuer } } });
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await server.call("POST", accounts, {
    body: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } },
  });
  const order = async (spec: object, name = "robot") =>
    server.call("POST", `${accounts}/${name}/token`, {
      body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec },
    });
  const made = await order({ expirationSeconds: 600 });
  assert.equal(made.status, 201);
  assert.equal(made.body["status"]?.["expirationTimestamp"], "2030-01-01T00:10:00Z");
  const token = shown(made.body["status"]?.["token"]);
  const whoIs = async (given: string) => server.server.authenticate({ headers: { authorization: `Bearer ${given}` } });
  const robot = await whoIs(token);
  assert.equal(robot?.name, "system:serviceaccount:default:robot");
  assert.deepEqual(robot?.groups, ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]);
  assert.equal(await whoIs(`${token.slice(0, -6)}aaaaaa`), undefined);
  assert.equal((await order({ expirationSeconds: 5 })).status, 422);
  assert.equal((await order({}, "nobody")).status, 404);

  const foreign = shown((await order({ audiences: ["vault"] })).body["status"]?.["token"]);
  assert.equal(await whoIs(foreign), undefined);
  const administrator: UserInfo = { name: "root", groups: ["system:masters"] };
  const review = (spec: object) => ask(server, `${authentication}/tokenreviews`, spec, administrator);
  const held = await review({ token: foreign, audiences: ["vault", "x"] });
  assert.deepEqual([held["status"]?.["authenticated"], held["status"]?.["audiences"]], [true, ["vault"]]);
  assert.equal(held["spec"]?.["token"], undefined, "the token does not come back");
  assert.match(shown((await review({ token: "nonsense" }))["status"]?.["error"]), /invalid bearer token/);

  const discovery = await server.call("GET", "/.well-known/openid-configuration", { user: robot ?? alice });
  assert.equal(discovery.body["jwks_uri"], `${issuer}/openid/v1/jwks`);
  assert.equal((await server.call("GET", "/openid/v1/jwks", { user: alice })).status, 403);
  assert.doesNotMatch(shown((await server.call("GET", "/openid/v1/jwks")).body), /"d":/);

  now = new Date("2030-01-01T00:09:59Z");
  assert.ok((await whoIs(token)) !== undefined);
  now = new Date("2030-01-01T00:10:30Z");
  assert.equal(await whoIs(token), undefined, "expired");
  const next = shown((await order({})).body["status"]?.["token"]);
  assert.ok((await whoIs(next)) !== undefined);
  await server.call("DELETE", `${accounts}/robot`);
  await server.call("POST", accounts, {
    body: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } },
  });
  now = new Date("2030-01-01T00:11:00Z");
  assert.equal(await whoIs(next), undefined, "the account of that name is another one");
});

test("tokens of an older key hold while the key is kept", async () => {
  const [older, newer] = await Promise.all([ServiceAccountKeys.generate(), ServiceAccountKeys.generate()]);
  const keysOf = (text: string) => (JSON.parse(text) as { keys: object[] }).keys;
  const issuer = "https://vivarium.test";
  const first = await openTestServer({
    authentication: { serviceAccounts: { keys: await ServiceAccountKeys.parse(older), issuer } },
  });
  const path = "/api/v1/namespaces/default/serviceaccounts";
  await first.call("POST", path, { body: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "r" } } });
  const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} };
  const token = shown((await first.call("POST", `${path}/r/token`, { body })).body["status"]?.["token"]);
  const headers = { authorization: `Bearer ${token}` };
  const rotated = JSON.stringify({ keys: [...keysOf(newer), ...keysOf(older)] });
  for (const [text, holds] of [
    [rotated, true],
    [newer, false],
  ] as const) {
    const keys = await ServiceAccountKeys.parse(text);
    const next = await openTestServer({ store: first.store, authentication: { serviceAccounts: { keys, issuer } } });
    assert.equal((await next.server.authenticate({ headers })) !== undefined, holds);
  }
});

test("every namespace has the service account default, and gets it back", async () => {
  const server = await openTestServer();
  const status = async (namespace: string) =>
    (await server.call("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/default`)).status;
  const appears = async (namespace: string) => {
    for (let tries = 0; tries < 50 && (await status(namespace)) !== 200; tries++) await settled(server);
    assert.equal(await status(namespace), 200);
  };
  await appears("default");
  await server.call("POST", "/api/v1/namespaces", {
    body: { apiVersion: "v1", kind: "Namespace", metadata: { name: "team" } },
  });
  await appears("team");
  await server.call("DELETE", "/api/v1/namespaces/team/serviceaccounts/default");
  await appears("team");
  await server.server.close();
});
