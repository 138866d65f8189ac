// Definitions and policies that are nearly right: whatever is wrong with them is told, and none makes the server fail.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { definitionsPath, gadget, gadgetDefinition, gadgetsPath } from "../testing/gadget.ts";
import { openTestServer } from "../testing/test-server.ts";

const policies = "/apis/admissionregistration.k8s.io/v1";

const definition = gadgetDefinition({
  schema: {
    required: ["size"],
    "x-kubernetes-validations": [
      { rule: "self.size < 9", message: "no", fieldPath: ".size", reason: "FieldValueInvalid" },
      { rule: "oldSelf.hasValue() || true", optionalOldSelf: true, messageExpression: "'a'" },
    ],
    properties: {
      size: { type: "integer", minimum: 1, default: 2 },
      name: { type: "string", pattern: "^a", enum: ["a", "ab"], nullable: true },
      port: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { type: "string" }] },
      map: { type: "object", additionalProperties: { type: "string", maxLength: 5 } },
      list: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        items: { type: "object", required: ["k"], properties: { k: { type: "string" } } },
      },
      inner: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
    },
  },
  version: {
    subresources: { status: {}, scale: { specReplicasPath: ".spec.size", statusReplicasPath: ".status.size" } },
    additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec.name" }],
    selectableFields: [{ jsonPath: ".spec.name" }],
  },
});

const policy = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicy",
  metadata: { name: "p" },
  spec: {
    paramKind: { apiVersion: "v1", kind: "ConfigMap" },
    matchConstraints: {
      resourceRules: [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["gadgets"], scope: "*" }],
      objectSelector: { matchExpressions: [{ key: "a", operator: "NotIn", values: ["b"] }] },
    },
    variables: [{ name: "v", expression: "1" }],
    matchConditions: [{ name: "m", expression: "true" }],
    validations: [{ expression: "variables.v == 1", messageExpression: "'a'", reason: "Forbidden" }],
    auditAnnotations: [{ key: "k", valueExpression: "'v'" }],
  },
};

const binding = {
  apiVersion: "admissionregistration.k8s.io/v1",
  kind: "ValidatingAdmissionPolicyBinding",
  metadata: { name: "b" },
  spec: {
    policyName: "p",
    validationActions: ["Audit"],
    paramRef: { selector: { matchLabels: { a: "b" } }, parameterNotFoundAction: "Allow" },
    matchResources: { matchPolicy: "Exact" },
  },
};

const strange = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, "", "a", "self.size", ".spec.a", "(", "v1", "array", [], {}, [
    null,
  ]),
  fc.constantFrom<unknown>({ type: "object" }, [{}], [[]], ["a", "a"], { a: null }, "__proto__", "constructor"),
  fc.string({ maxLength: 6 }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** `choices` lead to a place in the object, whose value is replaced; undefined: it is removed. */
function changed(object: unknown, choices: readonly number[], value: unknown): unknown {
  const copy: unknown = structuredClone(object);
  let at = copy as Record<string, unknown>;
  for (const [depth, choice] of choices.entries()) {
    const keys = Object.keys(at);
    const key = keys[choice % keys.length];
    if (key === undefined) break;
    const child = at[key];
    if (depth < choices.length - 1 && typeof child === "object" && child !== null) {
      at = child as Record<string, unknown>;
      continue;
    }
    if (value === undefined) delete at[key];
    else at[key] = value;
    break;
  }
  return copy;
}

const change = fc.tuple(
  fc.array(fc.nat({ max: 11 }), { minLength: 2, maxLength: 12 }),
  fc.option(strange, { nil: undefined }),
);

test("no definition and no policy makes the server fail", { timeout: 120_000 }, async () => {
  const { call, server } = await openTestServer();
  const targets = [
    { path: definitionsPath, body: definition },
    { path: `${policies}/validatingadmissionpolicies`, body: policy },
    { path: `${policies}/validatingadmissionpolicybindings`, body: binding },
  ];
  for (const { path, body } of targets) {
    const { status, body: answer } = await call("POST", `${path}?dryRun=All`, { body });
    assert.equal(status, 201, JSON.stringify(answer));
  }
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...targets),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      async ({ path, body }, changes) => {
        const broken = changes.reduce<unknown>((object, [choices, value]) => changed(object, choices, value), body);
        const answer = await call("POST", `${path}?dryRun=All`, { body: broken });
        assert.ok(answer.status < 500, `${JSON.stringify(broken)}: ${JSON.stringify(answer.body)}`);
      },
    ),
    { numRuns: 1500 },
  );
  await server.close();
});

test("a definition that is taken serves its kind, whatever it says", { timeout: 120_000 }, async () => {
  const { call, server } = await openTestServer();
  const path = `${definitionsPath}/gadgets.example.dev`;
  await call("POST", definitionsPath, { body: definition });
  const { body: stored } = await call("GET", path);
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 2 }), async (changes) => {
      const spec = changes.reduce<unknown>(
        (object, [choices, value]) => changed(object, choices, value),
        definition["spec"],
      );
      const { body: current } = await call("GET", path);
      const metadata = { ...stored["metadata"], resourceVersion: current["metadata"]?.["resourceVersion"] };
      await call("PUT", path, { body: { ...stored, metadata, spec } });
      for (const [method, at, body] of [
        ["POST", `${gadgetsPath}?dryRun=All`, gadget("a", { size: 1, name: "a", list: [{ k: "x" }], inner: {} })],
        ["GET", gadgetsPath, undefined],
        ["GET", "/openapi/v2", undefined],
        ["GET", "/apis/example.dev/v1", undefined],
      ] as const) {
        const answer = await call(method, at, {
          ...(body !== undefined && { body }),
          headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" },
        });
        assert.ok(answer.status < 500, `${JSON.stringify(spec)}: ${method} ${at}: ${JSON.stringify(answer.body)}`);
      }
    }),
    { numRuns: 200 },
  );
  await server.close();
});
