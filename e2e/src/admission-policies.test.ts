// ValidatingAdmissionPolicies through the stock kubectl, on a kind of Vivarium's own.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eventually } from "./support/eventually.ts";
import { VivServer } from "./support/viv-server.ts";

const policy = (expression: string): string => `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: class-size}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [infra.virtrigaud.io], apiVersions: [v1beta1], operations: [CREATE, UPDATE], resources: [vmclasses]}
  validations:
  - expression: ${expression}
    messageExpression: "'at most ' + params.data.cpu + ' CPUs, found ' + string(object.spec.cpu)"
`;
const binding = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: class-size}
spec:
  policyName: class-size
  validationActions: [Deny]
  paramRef: {name: class-size, namespace: default, parameterNotFoundAction: Allow}
`;
const vmClass = (name: string, cpu: number): string =>
  `{apiVersion: infra.virtrigaud.io/v1beta1, kind: VMClass, metadata: {name: ${name}}, spec: {cpu: ${cpu}, memory: 1Gi}}`;

describe("admission policies", { concurrency: false }, () => {
  let server: VivServer;

  before(async () => {
    server = await VivServer.create();
    await server.start();
  });
  after(async () => server[Symbol.asyncDispose]());

  const create = (name: string, cpu: number) => server.kubectl(["create", "-f", "-"], { input: vmClass(name, cpu) });

  test("a policy refuses what its parameters do not allow", async () => {
    await server.apply(policy("object.spec.cpu <= int(params.data.cpu)"));
    await server.apply(binding);
    assert.equal((await create("before", 8)).code, 0, "without parameters it allows everything, as the binding says");
    const made = await server.kubectl(["create", "configmap", "class-size", "--from-literal=cpu=4"]);
    assert.equal(made.code, 0, made.stderr);
    const refused = await eventually("the policy is asked", async () => {
      const { code, stderr } = await create("big", 8);
      return code === 0 ? undefined : stderr;
    });
    assert.equal(
      refused,
      `The vmclasses "big" is invalid: : ValidatingAdmissionPolicy 'class-size' with binding 'class-size' denied request: at most 4 CPUs, found 8\n`,
    );
    assert.equal((await create("small", 4)).code, 0);
    const table = await server.kubectl(["get", "validatingadmissionpolicies"]);
    assert.match(table.stdout, /^NAME +PARAMKIND +FAILUREPOLICY +AGE\nclass-size +ConfigMap +Fail/);
  });

  test("an expression that does not compile is refused with its field", async () => {
    const { code, stderr } = await server.kubectl(["apply", "-f", "-"], { input: policy("object.spec.cpu <=") });
    assert.notEqual(code, 0);
    assert.match(stderr, /spec\.validations\[0\]\.expression: Invalid value: .*compilation failed/);
  });

  test("without its binding a policy does nothing", async () => {
    await server.kubectl(["delete", "validatingadmissionpolicybinding", "class-size"]);
    const made = await eventually("the policy is not asked", async () => {
      const result = await create("big", 8);
      return result.code === 0 ? result : undefined;
    });
    assert.equal(made.stdout, "vmclass.infra.virtrigaud.io/big created\n");
  });
});
