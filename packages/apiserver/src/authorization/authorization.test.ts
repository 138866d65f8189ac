import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { describe, test } from "node:test";
import type { UserInfo } from "@vivarium/api";
import { settled } from "../testing/settled.ts";
import { openTestServer, shown, widget, widgetsPath, type Json, type TestServer } from "../testing/test-server.ts";

const root = "/apis/rbac.authorization.k8s.io/v1";
const alice: UserInfo = { name: "alice", groups: ["system:authenticated"] };
const anonymous: UserInfo = { name: "system:anonymous", groups: ["system:unauthenticated"] };

async function bind(
  server: TestServer,
  role: string,
  { namespace, user = "alice" }: { namespace?: string; user?: string } = {},
) {
  const where = namespace === undefined ? "clusterrolebindings" : `namespaces/${namespace}/rolebindings`;
  const { status } = await server.call("POST", `${root}/${where}`, {
    body: {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
      metadata: { generateName: "b-" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "User", name: user }],
    },
  });
  assert.equal(status, 201);
  await settled(server);
}

const rulesOf = (body: Json): string => shown(body["rules"]);

describe("authorization", () => {
  test("a refusal says who cannot do what where, in Kubernetes' words", async () => {
    const { call } = await openTestServer();
    const listed = await call("GET", widgetsPath, { user: alice });
    assert.deepEqual(
      [listed.status, listed.body["reason"], listed.body["message"], listed.body["details"]],
      [
        403,
        "Forbidden",
        'widgets.example.dev is forbidden: User "alice" cannot list resource "widgets" in API group "example.dev" in the namespace "default"',
        { group: "example.dev", kind: "widgets" },
      ],
    );
    const messageOf = async (...args: Parameters<typeof call>) => (await call(...args)).body["message"];
    assert.equal(
      await messageOf("PATCH", `${widgetsPath}/a/status`, { user: alice }),
      'widgets.example.dev "a" is forbidden: User "alice" cannot patch resource "widgets/status" in API group "example.dev" in the namespace "default"',
    );
    assert.equal(
      await messageOf("GET", "/api/v1/namespaces", { user: alice }),
      'namespaces is forbidden: User "alice" cannot list resource "namespaces" in API group "" at the cluster scope',
    );
    assert.equal(
      await messageOf("GET", "/metrics", { user: alice }),
      'forbidden: User "alice" cannot get path "/metrics"',
    );
    assert.match(shown(await messageOf("GET", "/api/v1/nothing", { user: alice })), /cannot list resource "nothing"/);
  });

  test("everybody sees versions and health; discovery is for who is known", async () => {
    const { call } = await openTestServer();
    for (const path of ["/version", "/livez", "/healthz"])
      assert.equal((await call("GET", path, { user: anonymous })).status, 200);
    assert.equal((await call("GET", "/apis", { user: anonymous })).status, 403);
    for (const path of ["/api", "/apis", "/apis/example.dev/v1", "/openapi/v3"])
      assert.equal((await call("GET", path, { user: alice })).status, 200);
  });

  test("a viewer reads all kinds that were given, in the namespace, but no Secrets", async () => {
    const server = await openTestServer();
    const { call } = server;
    await bind(server, "view", { namespace: "default" });
    const as = { user: alice };
    assert.equal((await call("GET", widgetsPath, as)).status, 200);
    assert.equal((await call("GET", "/api/v1/namespaces/default", as)).status, 200);
    assert.equal((await call("GET", "/apis/example.dev/v1/widgets", as)).status, 403);
    assert.equal((await call("GET", "/api/v1/namespaces/default/secrets", as)).status, 403);
    assert.equal((await call("POST", widgetsPath, { ...as, body: widget("a") })).status, 403);
    assert.equal((await call("DELETE", widgetsPath, as)).status, 403);
  });

  test("admin contains edit contains view; what a role for aggregation adds, appears", async () => {
    const server = await openTestServer();
    const { call } = server;
    const rules = async (name: string) => rulesOf((await call("GET", `${root}/clusterroles/${name}`)).body);
    assert.match(await rules("view"), /"widgets","widgets\/status"/);
    assert.doesNotMatch(await rules("view"), /secrets/);
    assert.match(await rules("edit"), /secrets/);
    assert.match(await rules("admin"), /rolebindings/);
    await call("POST", `${root}/clusterroles`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "gadgets", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
        rules: [{ apiGroups: ["x"], resources: ["gadgets"], verbs: ["get"] }],
      },
    });
    for (const name of ["view", "edit", "admin"]) {
      for (let tries = 0; tries < 100 && !/gadgets/.test(await rules(name)); tries++) await turn();
      assert.match(await rules(name), /gadgets/);
    }
  });

  test("an apply that makes an object needs the right to create it", async () => {
    const server = await openTestServer();
    await server.call("POST", `${root}/clusterroles`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "patcher" },
        rules: [{ apiGroups: ["example.dev"], resources: ["widgets"], verbs: ["patch"] }],
      },
    });
    await bind(server, "patcher");
    const apply = () =>
      server.call("PATCH", `${widgetsPath}/a?fieldManager=x`, {
        user: alice,
        body: widget("a"),
        headers: { "content-type": "application/apply-patch+yaml" },
      });
    const refused = await apply();
    assert.match(shown(refused.body["message"]), /"alice" cannot create resource "widgets"/);
    await server.call("POST", widgetsPath, { body: widget("a") });
    assert.equal((await apply()).status, 200);
  });

  test("a list of one name is allowed to who may list that name", async () => {
    const server = await openTestServer();
    await server.call("POST", `${root}/clusterroles`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "one" },
        rules: [{ apiGroups: ["example.dev"], resources: ["widgets"], resourceNames: ["a"], verbs: ["list", "get"] }],
      },
    });
    await bind(server, "one");
    const status = async (path: string) => (await server.call("GET", path, { user: alice })).status;
    assert.deepEqual(
      [
        await status(`${widgetsPath}?fieldSelector=metadata.name%3Da`),
        await status(`${widgetsPath}?fieldSelector=metadata.name%3Db`),
        await status(widgetsPath),
        await status(`${widgetsPath}/a`),
      ],
      [200, 403, 403, 404],
    );
  });

  test("a role of a binding never changes, and rules must say something", async () => {
    const { call } = await openTestServer();
    const path = `${root}/clusterrolebindings/system:discovery`;
    const changed = await call("PATCH", path, {
      body: { roleRef: { name: "cluster-admin" } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    assert.match(shown(changed.body["message"]), /roleRef: Invalid value: .*: cannot change roleRef/);
    const empty = await call("POST", `${root}/namespaces/default/roles`, {
      body: {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "Role",
        metadata: { name: "r" },
        rules: [{ verbs: [], nonResourceURLs: ["/x"] }],
      },
    });
    assert.match(
      shown(empty.body["message"]),
      /rules\[0\]\.verbs: Required value: verbs must contain at least one value/,
    );
    assert.match(shown(empty.body["message"]), /namespaced rules cannot apply to non-resource URLs/);
  });

  test("impersonation acts with the other's rights, for who may impersonate", async () => {
    const server = await openTestServer();
    await bind(server, "view", { user: "bob" });
    const asBob = { headers: { "impersonate-user": "bob" } };
    assert.equal((await server.call("GET", widgetsPath, asBob)).status, 200);
    assert.equal((await server.call("POST", widgetsPath, { ...asBob, body: widget("a") })).status, 403);
    const refused = await server.call("GET", widgetsPath, { ...asBob, user: alice });
    assert.equal(
      refused.body["message"],
      'users "bob" is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope',
    );
    const asGroup = { headers: { "impersonate-user": "x", "impersonate-group": "a, system:masters" } };
    assert.equal((await server.call("GET", "/metrics", asGroup)).status, 404);
  });

  test("missing default roles are made again, removed rules come back, a role left alone stays", async () => {
    const first = await openTestServer();
    const patch = { headers: { "content-type": "application/merge-patch+json" } };
    await first.call("DELETE", `${root}/clusterroles/system:basic-user`);
    await first.call("PATCH", `${root}/clusterroles/system:discovery`, { ...patch, body: { rules: [] } });
    await first.call("PATCH", `${root}/clusterroles/system:monitoring`, {
      ...patch,
      body: { rules: [], metadata: { annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } } },
    });
    await first.server.close();
    const { call } = await openTestServer({ store: first.store });
    const rules = async (name: string) => rulesOf((await call("GET", `${root}/clusterroles/${name}`)).body);
    assert.match(await rules("system:basic-user"), /selfsubjectaccessreviews/);
    assert.match(await rules("system:discovery"), /openapi/);
    assert.doesNotMatch(await rules("system:monitoring"), /metrics/);
  });
});
