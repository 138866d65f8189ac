import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditSink } from "../../audit/audit-log.ts";
import { listOf, openTestServer, shown, widget, widgetsPath, type TestServer } from "../../testing/test-server.ts";

const root = "/apis/admissionregistration.k8s.io/v1";
const merge = { "content-type": "application/merge-patch+json" };
const widgets = {
  apiGroups: ["example.dev"],
  apiVersions: ["v1"],
  operations: ["CREATE", "UPDATE"],
  resources: ["widgets"],
};

function policy(spec: object): object {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicy",
    metadata: { name: "sizes" },
    spec: { matchConstraints: { resourceRules: [widgets] }, ...spec },
  };
}

function binding(spec: object = {}): object {
  return {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: "everywhere" },
    spec: { policyName: "sizes", validationActions: ["Deny"], ...spec },
  };
}

async function openWith(policySpec: object, bindingSpec: object = {}, sink?: AuditSink): Promise<TestServer> {
  const server = await openTestServer(sink === undefined ? {} : { audit: { sink } });
  const made = [
    await server.call("POST", `${root}/validatingadmissionpolicies`, { body: policy(policySpec) }),
    await server.call("POST", `${root}/validatingadmissionpolicybindings`, { body: binding(bindingSpec) }),
  ];
  for (const { status, body } of made) assert.equal(status, 201, JSON.stringify(body));
  // The mirror follows the store's watch.
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  return server;
}

const create = (server: TestServer, name: string, fields: object = {}) =>
  server.call("POST", widgetsPath, { body: widget(name, { ...fields }) });

test("what a policy does not allow is refused with its message and reason", async () => {
  const server = await openWith({ validations: [{ expression: "object.spec.size <= 3" }] });
  assert.equal((await create(server, "a")).status, 201);
  const refused = await create(server, "b", { spec: { size: 4 } });
  assert.equal(refused.status, 422);
  const message =
    "ValidatingAdmissionPolicy 'sizes' with binding 'everywhere' denied request: failed expression: object.spec.size <= 3";
  assert.equal(refused.body["message"], `widgets.example.dev "b" is forbidden: ${message}`);
  assert.deepEqual(
    listOf(refused.body["details"]?.["causes"]).map((cause) => cause["message"]),
    [message],
  );
  await server.server.close();
});

test("expressions know the old object, the request, the namespace and the policy's own variables", async () => {
  const server = await openWith({
    variables: [
      { name: "before", expression: "oldObject == null ? 0 : oldObject.spec.size" },
      { name: "grown", expression: "object.spec.size - variables.before" },
    ],
    matchConditions: [{ name: "not-root", expression: "request.userInfo.username != 'root'" }],
    validations: [
      {
        expression: "variables.grown <= 2",
        messageExpression:
          "'%s grew by %d in %s'.format([object.metadata.name, variables.grown, namespaceObject.metadata.name])",
        reason: "Forbidden",
      },
    ],
  });
  await create(server, "a", { spec: { size: 2 } });
  const grow = (size: number) => server.call("PATCH", `${widgetsPath}/a`, { body: { spec: { size } }, headers: merge });
  assert.equal((await grow(4)).status, 200);
  const refused = await grow(8);
  assert.equal(refused.status, 403);
  assert.match(shown(refused.body["message"]), /denied request: a grew by 4 in default$/);
  const root = { name: "root", groups: ["system:masters"] };
  const allowed = await server.call("PATCH", `${widgetsPath}/a`, {
    body: { spec: { size: 8 } },
    headers: merge,
    user: root,
  });
  assert.equal(allowed.status, 200);
  await server.server.close();
});

test("parameters come from the object that the binding names, or from all that it selects", async () => {
  const server = await openWith(
    {
      paramKind: { apiVersion: "v1", kind: "ConfigMap" },
      validations: [{ expression: "object.spec.size <= int(params.data.max)" }],
    },
    { paramRef: { name: "limits", parameterNotFoundAction: "Deny" } },
  );
  assert.match(shown((await create(server, "a")).body["message"]), /no params found for policy binding/);
  await server.call("POST", "/api/v1/namespaces/default/configmaps", {
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "limits" }, data: { max: "2" } },
  });
  assert.equal((await create(server, "a", { spec: { size: 2 } })).status, 201);
  assert.equal((await create(server, "b", { spec: { size: 3 } })).status, 422);
  await server.server.close();
});

test("Warn tells the client and lets the write pass", async () => {
  const server = await openWith(
    { validations: [{ expression: "false", message: "think" }] },
    { validationActions: ["Warn"] },
  );
  const created = await create(server, "a");
  assert.equal(created.status, 201);
  assert.match(shown(created.headers["warning"]), /Validation failed for ValidatingAdmissionPolicy 'sizes'.*think/);
  await server.server.close();
});

test("Audit lets the write pass and notes it in the audit log, with what the policy wants remembered", async () => {
  const lines: string[] = [];
  const sink: AuditSink = { room: () => undefined, write: (line) => lines.push(Buffer.from(line).toString()) };
  const server = await openWith(
    {
      validations: [{ expression: "object.spec.size < 3", message: "big" }],
      auditAnnotations: [
        { key: "size", valueExpression: "'of size ' + string(object.spec.size)" },
        { key: "none", valueExpression: "null" },
      ],
    },
    { validationActions: ["Audit"] },
    sink,
  );
  lines.length = 0;
  assert.equal((await create(server, "a", { spec: { size: 4 } })).status, 201);
  const line = lines.find((each) => each.includes('"resource":"widgets"')) ?? "{}";
  const { annotations = {} } = JSON.parse(line) as { annotations?: Record<string, string> };
  assert.equal(annotations["sizes/size"], "of size 4");
  assert.equal(annotations["sizes/none"], undefined);
  assert.deepEqual(JSON.parse(annotations["validation.policy.admission.k8s.io/validation_failure"] ?? ""), [
    { message: "big", policy: "sizes", binding: "everywhere", validationActions: ["Audit"] },
  ]);
  await server.server.close();
});

test("what cannot be evaluated refuses, or does not count, as failurePolicy says", async () => {
  const validations = [{ expression: "object.spec.none > 1" }];
  const strict = await openWith({ validations });
  assert.match(
    shown((await create(strict, "a")).body["message"]),
    /expression 'object\.spec\.none > 1' resulted in error: No such key: none/,
  );
  await strict.server.close();
  const lenient = await openWith({ validations, failurePolicy: "Ignore" });
  assert.equal((await create(lenient, "a")).status, 201);
  await lenient.server.close();
});

test("a policy is about the requests that its rules and selectors name", async () => {
  const server = await openWith(
    {
      matchConstraints: {
        resourceRules: [
          { ...widgets, operations: ["DELETE"] },
          { ...widgets, resources: ["widgets/status"] },
        ],
        excludeResourceRules: [{ ...widgets, operations: ["*"], resourceNames: ["free"] }],
        namespaceSelector: { matchExpressions: [{ key: "open", operator: "DoesNotExist" }] },
      },
      validations: [{ expression: "false" }],
    },
    { matchResources: { objectSelector: { matchLabels: { kept: "yes" } } } },
  );
  const kept = { metadata: { labels: { kept: "yes" } } };
  for (const name of ["a", "free"]) assert.equal((await create(server, name, kept)).status, 201);
  await create(server, "b");
  const status = await server.call("PATCH", `${widgetsPath}/a/status`, {
    body: { status: { phase: "x" } },
    headers: merge,
  });
  assert.equal(status.status, 422);
  const remove = async (name: string) => (await server.call("DELETE", `${widgetsPath}/${name}`)).status;
  assert.deepEqual([await remove("a"), await remove("b"), await remove("free")], [422, 200, 200]);
  await server.call("PATCH", "/api/v1/namespaces/default", {
    body: { metadata: { labels: { open: "" } } },
    headers: merge,
  });
  assert.equal(await remove("a"), 200);
  await server.server.close();
});

test("a policy without a binding, or whose binding is gone, does nothing", async () => {
  const server = await openWith({ validations: [{ expression: "false" }] });
  assert.equal((await create(server, "a")).status, 422);
  await server.call("DELETE", `${root}/validatingadmissionpolicybindings/everywhere`);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  assert.equal((await create(server, "a")).status, 201);
  await server.server.close();
});

test("loops over what a request holds are bounded", async () => {
  const server = await openWith({
    validations: [
      { expression: "object.spec.free.a.all(x, object.spec.free.a.all(y, object.spec.free.a.all(z, true)))" },
    ],
  });
  const a = Array.from({ length: 5000 }, (_, index) => index);
  const refused = await create(server, "a", { spec: { free: { a } } });
  assert.match(shown(refused.body["message"]), /actual cost limit exceeded/);
  await server.server.close();
});

const invalid: readonly (readonly [string, string, object, RegExp])[] = [
  [
    "an expression that does not compile",
    "policies",
    policy({ validations: [{ expression: "object.a ==" }] }),
    /spec\.validations\[0\]\.expression: Invalid value: .*compilation failed/,
  ],
  [
    "an unknown variable",
    "policies",
    policy({ validations: [{ expression: "params.a == 1" }] }),
    /Unknown variable: params/,
  ],
  ["a condition that is no bool", "policies", policy({ validations: [{ expression: "1" }] }), /must evaluate to bool/],
  ["no validations", "policies", policy({}), /spec\.validations: Required value/],
  [
    "no constraints",
    "policies",
    policy({ matchConstraints: undefined, validations: [{ expression: "true" }] }),
    /spec\.matchConstraints: Required value/,
  ],
  [
    "Deny and Warn",
    "policybindings",
    binding({ validationActions: ["Deny", "Warn"] }),
    /must not contain both Deny and Warn/,
  ],
  [
    "a reference without action",
    "policybindings",
    binding({ paramRef: { name: "a" } }),
    /parameterNotFoundAction: Required value/,
  ],
];

for (const [what, plural, body, message] of invalid)
  test(`is refused at once: ${what}`, async () => {
    const server = await openTestServer();
    const answer = await server.call("POST", `${root}/validatingadmission${plural}`, { body });
    assert.equal(answer.status, 422);
    assert.match(shown(answer.body["message"]), message);
    await server.server.close();
  });
