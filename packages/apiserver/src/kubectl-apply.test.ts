// What the stock kubectl does with server-side apply, diff and dry runs. The expectations are Kubernetes' own
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openKubectlSession, skipWithoutKubectl, type KubectlSession } from "./testing/kubectl-session.ts";

const manifest = (name: string, spec: string): string => `apiVersion: example.dev/v1
kind: Widget
metadata:
  name: ${name}
spec:
  ${spec.replaceAll("\n", "\n  ")}
`;

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly fieldsV1: unknown;
}

describe("kubectl apply, diff and dry runs", { skip: skipWithoutKubectl, concurrency: false }, () => {
  let kubectl: KubectlSession;
  let ok: KubectlSession["ok"];
  let run: KubectlSession["run"];

  before(async () => {
    kubectl = await openKubectlSession();
    ({ ok, run } = kubectl);
  });

  after(() => kubectl.close());

  async function owners(resource: string): Promise<readonly Entry[]> {
    const object = JSON.parse(await ok(`get ${resource} -o json --show-managed-fields`)) as {
      metadata: { managedFields: Entry[] };
    };
    return object.metadata.managedFields;
  }

  test("managedFields are shown on demand only", async () => {
    await ok("create -f -", { input: manifest("shown", "size: 1") });
    assert.doesNotMatch(await ok("get wd shown -o yaml"), /managedFields/);
    const [entry] = await owners("wd shown");
    assert.equal(entry?.manager, "kubectl-create");
    await ok("label wd shown a=b");
    await ok("edit wd shown", { env: { EDITOR: "sed -i 's/size: 1/size: 2/'" } });
    assert.deepEqual(
      (await owners("wd shown")).map(({ manager, operation }) => [manager, operation]),
      [
        ["kubectl-create", "Update"],
        ["kubectl-edit", "Update"],
        ["kubectl-label", "Update"],
      ],
    );
  });

  test("apply --server-side creates, changes and leaves alone", async () => {
    const applied = /^widget\.example\.dev\/one serverside-applied\n$/;
    assert.match(await ok("apply --server-side -f -", { input: manifest("one", "size: 3\nnote: hi") }), applied);
    const version = await ok("get wd one -o jsonpath={.metadata.resourceVersion}");
    assert.match(await ok("apply --server-side -f -", { input: manifest("one", "size: 3\nnote: hi") }), applied);
    assert.equal(await ok("get wd one -o jsonpath={.metadata.resourceVersion}"), version);
    assert.match(await ok("apply --server-side -f -", { input: manifest("one", "size: 4") }), applied);
    assert.equal(await ok("get wd one -o jsonpath={.spec}"), '{"color":"red","size":4}');
    const [entry] = await owners("wd one");
    assert.deepEqual([entry?.manager, entry?.operation], ["kubectl", "Apply"]);
    assert.deepEqual(entry?.fieldsV1, { "f:spec": { "f:size": {} } });
  });

  test("a conflict names field and manager, and kubectl explains the ways out", async () => {
    const input = manifest("one", "size: 5");
    const { code, stderr } = await run("apply --server-side --field-manager=other -f -", { input });
    assert.equal(code, 1);
    assert.match(stderr, /^error: Apply failed with 1 conflict: conflict with "kubectl": \.spec\.size\n/);
    assert.match(stderr, /re-run the apply\n?.* command with the `--force-conflicts` flag/s);
    assert.equal(await ok("get wd one -o jsonpath={.spec.size}"), "4");
    await ok("apply --server-side --field-manager=other --force-conflicts -f -", { input });
    assert.equal(await ok("get wd one -o jsonpath={.spec.size}"), "5");
    assert.deepEqual(
      (await owners("wd one")).map(({ manager }) => manager),
      ["other"],
    );
  });

  test("a field that kubectl scale or edit took is a conflict that says through which version", async () => {
    await ok('patch wd one --type merge -p {"spec":{"size":6}}');
    const { stderr } = await run("apply --server-side --field-manager=other -f -", {
      input: manifest("one", "size: 5"),
    });
    assert.match(stderr, /conflict with "kubectl-patch" using example\.dev\/v1: \.spec\.size/);
  });

  test("what was applied on the client's side goes on on the server's, and a removed field goes", async () => {
    await ok("apply -f -", { input: manifest("moved", "size: 3\nnote: hi") });
    await ok("apply --server-side -f -", { input: manifest("moved", "size: 4\nnote: hi") });
    assert.deepEqual(
      (await owners("wd moved")).map(({ manager, operation }) => [manager, operation]),
      [
        ["kubectl", "Apply"],
        // kubectl's own, so that the annotation of the client-side apply stays.
        ["kubectl-last-applied", "Apply"],
      ],
    );
    await ok("apply --server-side -f -", { input: manifest("moved", "size: 4") });
    assert.equal(await ok("get wd moved -o jsonpath={.spec}"), '{"color":"red","size":4}');
    assert.match(await ok("apply -f -", { input: manifest("moved", "size: 4") }), /unchanged|configured/);
  });

  test("diff ends with 0 when nothing would change and with 1 when something would, on either side", async () => {
    for (const side of ["", " --server-side"]) {
      const name = side === "" ? "plain" : "served";
      await ok(`apply${side} -f -`, { input: manifest(name, "size: 3") });
      const same = await run(`diff${side} -f -`, { input: manifest(name, "size: 3") });
      assert.deepEqual([same.code, same.stdout], [0, ""], `${side}: ${same.stderr}`);
      const changed = await run(`diff${side} -f -`, { input: manifest(name, "size: 8") });
      assert.equal(changed.code, 1, changed.stderr);
      assert.match(changed.stdout, /^- {2}size: 3\n\+ {2}size: 8$/m);
      assert.equal(await ok(`get wd ${name} -o jsonpath={.spec.size}`), "3");
      const added = await run(`diff${side} -f -`, { input: manifest(`${name}-new`, "size: 8") });
      assert.equal(added.code, 1, added.stderr);
      assert.equal((await run(`get wd ${name}-new`)).code, 1);
    }
  });

  test("a server's dry run says what it would do, and does nothing, with every verb", async () => {
    await ok("apply --server-side -f -", { input: manifest("kept", "size: 1") });
    const before = await ok("get wd kept -o yaml");
    const input = manifest("kept", "size: 2");
    assert.match(await ok("apply --dry-run=server -f -", { input }), /configured \(server dry run\)/);
    assert.match(
      await ok("apply --server-side --dry-run=server -f -", { input }),
      /serverside-applied \(server dry run\)/,
    );
    assert.match(
      await ok("create --dry-run=server -f -", { input: manifest("never", "size: 2") }),
      /created \(server dry run\)/,
    );
    assert.match(
      await ok("replace --dry-run=server -f -", { input: before.replace("size: 1", "size: 2") }),
      /replaced \(server dry run\)/,
    );
    assert.match(await ok('patch wd kept --type=merge --dry-run=server -p {"spec":{"size":2}}'), /patched/);
    assert.match(await ok("label wd kept --dry-run=server a=b"), /labeled \(server dry run\)/);
    assert.match(await ok("delete wd kept --dry-run=server"), /deleted.*\(server dry run\)/);
    assert.match(await ok("delete wd --all --dry-run=server"), /"kept" deleted.*\(server dry run\)/);
    assert.match(await ok("create namespace never --dry-run=server"), /created \(server dry run\)/);
    assert.equal(await ok("get wd kept -o yaml"), before);
    assert.equal((await run("get namespace never")).code, 1);
    assert.equal((await run("get wd never")).code, 1);
  });

  test("unknown fields are refused, and warned of when kubectl is told to", async () => {
    const input = manifest("wrong", "size: 1\nbogus: 1");
    const strict = await run("apply --server-side -f -", { input });
    assert.match(strict.stderr, /bogus/);
    assert.equal(strict.code, 1);
    const warned = await run("apply --server-side --validate=warn -f -", { input });
    assert.deepEqual(
      [warned.code, /Warning: unknown field "spec\.bogus"/.test(warned.stderr)],
      [0, true],
      warned.stderr,
    );
  });

  test("core kinds and custom resource definitions are applied on either side", async () => {
    const inputs = [
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}',
      '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"1"}}',
      '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team"}}',
      JSON.stringify({
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: "cogs.example.dev" },
        spec: {
          group: "example.dev",
          scope: "Namespaced",
          names: { kind: "Cog", plural: "cogs", singular: "cog", listKind: "CogList" },
          versions: [
            {
              name: "v1",
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
            },
          ],
        },
      }),
    ];
    for (const input of inputs) {
      assert.match(await ok("apply -f -", { input }), /created/);
      assert.match(await ok("apply --server-side -f -", { input }), /serverside-applied/);
      assert.equal((await run("diff -f -", { input })).code, 0);
    }
    assert.match(await ok("get cm c -o yaml --show-managed-fields"), /f:data:\n +f:a: \{\}/);
  });

  test("kubectl reads the OpenAPI document of version 2 as well", async () => {
    const out = await ok("explain widget.spec --output=plaintext-openapiv2 --recursive");
    assert.match(out, /KIND: +Widget/);
    assert.match(out, /size\t<integer>/);
    assert.match(
      await ok("explain wd.metadata.ownerReferences --output=plaintext-openapiv2"),
      /blockOwnerDeletion\t<boolean>/,
    );
  });

  test("prune deletes what an apply set no longer has", async () => {
    const set = (names: readonly string[]) => names.map((name) => manifest(name, "size: 1")).join("---\n");
    const env = { KUBECTL_APPLYSET: "true" };
    const args = "apply --server-side -n default --prune --applyset=configmaps/set -f -";
    await ok(args, { input: set(["p1", "p2"]), env });
    const out = await ok(args, { input: set(["p2"]), env });
    assert.match(out, /widget\.example\.dev\/p1 pruned/);
    assert.equal((await run("get wd p1")).code, 1);
  });
});
