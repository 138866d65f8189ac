// A user's own kinds through the stock kubectl: defined at run time, explained, validated, scaled, edited, in two versions, and gone again.

import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { VivServer } from "./support/viv-server.ts";

const definition = (versions: string): string => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: ponds.farm.example
spec:
  group: farm.example
  scope: Namespaced
  names:
    plural: ponds
    kind: Pond
    shortNames: [pd]
    categories: [water]
  versions:
${versions}`;

const version = (name: string, { storage = true, deprecated = false } = {}): string => `  - name: ${name}
    served: true
    storage: ${storage}
    deprecated: ${deprecated}
    subresources:
      status: {}
      scale:
        specReplicasPath: .spec.ducks
        statusReplicasPath: .status.ducks
    selectableFields:
    - jsonPath: .spec.color
    additionalPrinterColumns:
    - {name: Ducks, type: integer, jsonPath: .spec.ducks}
    - {name: Color, type: string, jsonPath: .spec.color, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        description: Pond holds water and ducks.
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            x-kubernetes-validations:
            - rule: self.ducks <= self.limit
              messageExpression: '"%d ducks do not fit into a pond for %d".format([self.ducks, self.limit])'
              fieldPath: .ducks
            - rule: self.color == oldSelf.color
              message: the color of a pond cannot change
            properties:
              ducks: {type: integer, minimum: 0, default: 1, description: How many ducks swim in it.}
              limit: {type: integer, default: 5}
              color: {type: string, enum: [blue, green], default: blue}
          status:
            type: object
            properties:
              ducks: {type: integer}
`;

const pond = (name: string, spec: string): string =>
  `{apiVersion: farm.example/v1, kind: Pond, metadata: {name: ${name}}, spec: {${spec}}}`;

describe("custom resources", { concurrency: false }, () => {
  let server: VivServer;

  before(async () => {
    server = await VivServer.create();
    await server.start();
  });
  after(async () => server[Symbol.asyncDispose]());

  const kubectl = async (command: string, input?: string): Promise<string> => {
    const result = await server.kubectl(command.split(" "), input === undefined ? {} : { input });
    assert.equal(result.code, 0, `${command}: ${result.stderr}`);
    return result.stdout;
  };
  const refused = async (command: string, input?: string): Promise<string> => {
    const result = await server.kubectl(command.split(" "), input === undefined ? {} : { input });
    assert.notEqual(result.code, 0, `${command}: ${result.stdout}`);
    return result.stderr;
  };

  test("a definition is established and serves its kind", async () => {
    assert.equal(
      await kubectl("apply -f -", definition(version("v1"))),
      "customresourcedefinition.apiextensions.k8s.io/ponds.farm.example created\n",
    );
    await kubectl("wait --for=condition=Established crd/ponds.farm.example --timeout=10s");
    assert.match(
      await kubectl("get crd ponds.farm.example"),
      /^NAME +CREATED AT\nponds.farm.example +\d{4}-\d\d-\d\dT/,
    );
    assert.match(await kubectl("api-resources --api-group=farm.example"), /ponds +pd +farm.example\/v1 +true +Pond/);
  });

  test("the product's own kinds are definitions like it, and built-in kinds are not", async () => {
    const names = (await kubectl("get crds -o name")).split("\n");
    assert.ok(names.includes("customresourcedefinition.apiextensions.k8s.io/virtualmachines.infra.virtrigaud.io"));
    assert.ok(!names.some((name) => /configmaps|namespaces/.test(name)));
  });

  test("explain knows its fields", async () => {
    const text = await kubectl("explain pond.spec.ducks");
    assert.match(text, /GROUP: +farm.example\nKIND: +Pond\nVERSION: +v1\n/);
    assert.match(text, /FIELD: ducks <integer>/);
    assert.match(text, /How many ducks swim in it\./);
  });

  test("objects are defaulted, shown in its columns, and found by its fields and categories", async () => {
    assert.equal(await kubectl("apply -f -", pond("a", "ducks: 2")), "pond.farm.example/a created\n");
    await kubectl("apply -f -", pond("b", "color: green"));
    assert.match(await kubectl("get pd"), /^NAME +DUCKS +AGE\na +2 +\d+s\nb +1 +\d+s\n$/);
    assert.match(await kubectl("get pd a -o wide"), /^NAME +DUCKS +COLOR +AGE\na +2 +blue +\d+s\n$/);
    assert.equal(await kubectl("get ponds --field-selector spec.color=green -o name"), "pond.farm.example/b\n");
    assert.match(await kubectl("get water"), /^NAME +DUCKS/);
    assert.equal(await kubectl("apply -f -", pond("a", "ducks: 2")), "pond.farm.example/a unchanged\n");
  });

  test("what schema and rules refuse is told with its field", async () => {
    assert.equal(
      await refused("create -f -", pond("c", "ducks: 9")),
      'The Pond "c" is invalid: spec.ducks: Invalid value: "object": 9 ducks do not fit into a pond for 5\n',
    );
    const wrong = await refused("create -f -", pond("c", "ducks: many, color: red"));
    assert.match(
      wrong,
      /\* spec\.ducks: Invalid value: "string": spec\.ducks in body must be of type integer: "string"/,
    );
    assert.match(wrong, /\* spec\.color: Unsupported value: "red": supported values: "blue", "green"/);
    assert.match(wrong, /\* <nil>: Invalid value: null: some validation rules were not checked/);
    assert.match(
      await refused("create -f -", pond("c", "geese: 1")),
      /strict decoding error: unknown field "spec\.geese"/,
    );
    const patch = ["patch", "pond", "a", "--type=merge", "-p", '{"spec":{"color":"green"}}'];
    const transition = await server.kubectl(patch);
    assert.equal(
      transition.stderr,
      'The Pond "a" is invalid: spec: Invalid value: "object": the color of a pond cannot change\n',
    );
  });

  test("a definition whose rule cannot be compiled is refused with the rule's path", async () => {
    const text = definition(version("v1").replace("self.ducks <= self.limit", "self.geese <= self.limit"));
    assert.match(
      await refused("apply -f -", text),
      /spec\.versions\[0\]\.schema\.openAPIV3Schema\.properties\[spec\]\.x-kubernetes-validations\[0\]\.rule: .*compilation failed/,
    );
  });

  test("scale and edit change it", async () => {
    assert.equal(await kubectl("scale pond/a --replicas=4"), "pond.farm.example/a scaled\n");
    assert.equal(await kubectl("get pond a -o jsonpath={.spec.ducks}"), "4");
    assert.equal(await kubectl("scale pond/a --current-replicas=4 --replicas=3"), "pond.farm.example/a scaled\n");
    assert.match(await refused("scale pond/a --replicas=9"), /9 ducks do not fit/);
    const editor = join(server.stateDirectory, "editor");
    await writeFile(editor, '#!/bin/sh\nsed -i "s/ducks: 3/ducks: 5/" "$1"\n');
    await chmod(editor, 0o755);
    const edited = await server.kubectl(["edit", "pond", "a"], { env: { KUBE_EDITOR: editor } });
    assert.equal(edited.stdout, "pond.farm.example/a edited\n", edited.stderr);
    assert.equal(await kubectl("get pond a -o jsonpath={.spec.ducks}"), "5");
  });

  test("a second version serves the same objects, and the deprecated one warns", async () => {
    const both = definition(version("v1", { deprecated: true, storage: false }) + version("v2"));
    assert.equal(
      await kubectl("apply -f -", both),
      "customresourcedefinition.apiextensions.k8s.io/ponds.farm.example configured\n",
    );
    assert.equal(await kubectl("get ponds.v2.farm.example a -o jsonpath={.apiVersion}"), "farm.example/v2");
    const old = await server.kubectl(["get", "ponds.v1.farm.example", "a", "-o", "jsonpath={.apiVersion}"]);
    assert.equal(old.stdout, "farm.example/v1");
    assert.match(old.stderr, /Warning: farm\.example\/v1 Pond is deprecated/);
    assert.match(
      await refused("apply -f -", definition(version("v2"))),
      /status\.storedVersions\[0\]: Invalid value: "v1": missing from spec\.versions/,
    );
  });

  test("definitions and objects outlive the server", async () => {
    await server.kill("SIGKILL");
    await server.start();
    assert.equal(await kubectl("get ponds -o name"), "pond.farm.example/a\npond.farm.example/b\n");
  });

  test("a deleted definition takes its objects with it", async () => {
    assert.match(await kubectl("delete crd ponds.farm.example --timeout=10s"), /"ponds.farm.example" deleted/);
    assert.match(await refused("get ponds"), /the server could not find the requested resource/);
    await kubectl("apply -f -", definition(version("v1")));
    // With its version: kubectl keeps what it has discovered before.
    assert.equal(await kubectl("get ponds.v1.farm.example -o name"), "");
  });
});
