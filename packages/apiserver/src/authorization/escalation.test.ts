import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyRule, UserInfo } from "@vivarium/api";
import * as fc from "fast-check";
import { openTestServer } from "../testing/test-server.ts";
import { settled } from "../testing/settled.ts";
import { isHeld } from "./escalation.ts";
import { ruleAllows } from "./rule-matching.ts";

const root = "/apis/rbac.authorization.k8s.io/v1";
const apiVersion = "rbac.authorization.k8s.io/v1";
const alice: UserInfo = { name: "alice", groups: ["system:authenticated"] };

test("who may write roles hands out no more than he has; `bind` and `escalate` lift that", async () => {
  const server = await openTestServer();
  const role = (name: string, rules: readonly PolicyRule[]) =>
    ({ apiVersion, kind: "ClusterRole", metadata: { name }, rules }) as const;
  const binding = (name: string, roleName: string) => ({
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: roleName },
    subjects: [{ kind: "User", name: "alice" }],
  });
  const create = async (object: { kind: string }, user?: UserInfo) => {
    const path = `${root}/${object.kind.toLowerCase()}s`;
    const answer = await server.call("POST", path, { body: object, ...(user && { user }) });
    await settled(server);
    return answer;
  };
  const access = { apiGroups: ["rbac.authorization.k8s.io"], resources: ["clusterroles", "clusterrolebindings"] };
  await create(role("role-writer", [{ ...access, verbs: ["create", "update", "patch", "get"] }]));
  await create(binding("role-writer", "role-writer"));

  const refused = await create(role("mine", [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }]), alice);
  assert.equal(
    refused.body["message"],
    'clusterroles.rbac.authorization.k8s.io "mine" is forbidden: user "alice" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
  );
  assert.equal((await create(role("less", [{ ...access, verbs: ["get"] }]), alice)).status, 201);
  const patched = await server.call("PATCH", `${root}/clusterroles/less`, {
    body: { rules: [{ verbs: ["*"], nonResourceURLs: ["*"] }] },
    headers: { "content-type": "application/merge-patch+json" },
    user: alice,
  });
  assert.equal(patched.status, 403);
  assert.equal((await create(binding("more", "cluster-admin"), alice)).status, 403);
  assert.equal((await create(binding("none", "not-there"), alice)).status, 404);
  assert.equal((await create(binding("less", "less"), alice)).status, 201);

  await create(role("binder", [{ ...access, resources: ["clusterroles"], resourceNames: ["view"], verbs: ["bind"] }]));
  await create(binding("binder", "binder"));
  assert.equal((await create(binding("view", "view"), alice)).status, 201);
  assert.equal((await create(binding("edit", "edit"), alice)).status, 403);
});

const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });
const rule: fc.Arbitrary<PolicyRule> = fc.record(
  {
    verbs: some("get", "list", "*"),
    apiGroups: some("", "g", "*"),
    resources: some("vms", "vms/status", "*/status", "*"),
    resourceNames: some("a", "b"),
  },
  { requiredKeys: ["verbs", "apiGroups", "resources"] },
);

test("a rule that counts as held allows nothing that the held ones do not", () => {
  const asked = fc.record({
    type: fc.constant("resource" as const),
    verb: fc.constantFrom("get", "list", "delete"),
    group: fc.constantFrom("", "g", "h"),
    version: fc.constant("v1"),
    resource: fc.constantFrom("vms", "secrets"),
    subresource: fc.constantFrom("", "status", "log"),
    namespace: fc.constant(""),
    name: fc.constantFrom("", "a", "b", "c"),
  });
  fc.assert(
    fc.property(rule, fc.array(rule, { maxLength: 4 }), fc.array(asked, { maxLength: 20 }), (one, held, questions) => {
      if (!isHeld(one, held)) return;
      for (const question of questions)
        if (ruleAllows(one, question)) assert.ok(held.some((each) => ruleAllows(each, question)));
    }),
    { numRuns: 2000 },
  );
});
