// The stock kubectl against this server over TLS. Needs the binary: VIVARIUM_KUBECTL names it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { openKubectlSession, skipWithoutKubectl, type KubectlSession } from "./testing/kubectl-session.ts";
import { widgetsPath } from "./testing/test-server.ts";

const manifest = (name: string, spec = "size: 3"): string => `apiVersion: example.dev/v1
kind: Widget
metadata:
  name: ${name}
  labels: {app: ${name}}
spec:
  ${spec.replaceAll("\n", "\n  ")}
`;

describe("kubectl", { skip: skipWithoutKubectl, concurrency: false }, () => {
  let kubectl: KubectlSession;
  let ok: KubectlSession["ok"];
  let run: KubectlSession["run"];

  before(async () => {
    kubectl = await openKubectlSession();
    ({ ok, run } = kubectl);
  });

  after(() => kubectl.close());

  test("api-resources and version know the kinds", async () => {
    const out = await ok("api-resources");
    assert.match(out, /^widgets +wd +example\.dev\/v1 +true +Widget$/m);
    assert.match(out, /^namespaces +ns +v1 +false +Namespace$/m);
    assert.match(await ok("version"), /Server Version: v1\.34\.0\+vivarium/);
  });

  test("apply creates, then changes; get shows it in every form", async () => {
    assert.match(await ok("apply -f -", { input: manifest("one") }), /^widget\.example\.dev\/one created/);
    assert.match(await ok("apply -f -", { input: manifest("one") }), /unchanged/);
    assert.match(await ok("apply -f -", { input: manifest("one", "size: 4") }), /configured/);
    assert.match(await ok("get widgets"), /^NAME +SIZE +READY +AGE\none +4 +\d+s$/m);
    assert.match(await ok("get wd one -o wide"), /COLOR.*\n.*red/);
    assert.match(await ok("get all -A"), /^default +one +4/m);
    assert.match(await ok("get wd one -o yaml"), /^ {2}size: 4$/m);
    assert.equal((JSON.parse(await ok("get wd one -o json")) as { kind: string }).kind, "Widget");
    assert.equal(await ok("get wd -l app=one -o jsonpath={.items[*].spec.size}"), "4");
    assert.equal(await ok("get wd -l app!=one -o name"), "");
    assert.equal(await ok("get wd --chunk-size=1 -o name"), "widget.example.dev/one\n");
  });

  test("explain shows descriptions and types", async () => {
    const out = await ok("explain widget.spec");
    assert.match(out, /FIELD: spec <Object>/);
    assert.match(out, /size\t<integer> -required-\n +Size in units\./);
    assert.match(await ok("explain wd.metadata.labels"), /map\[string\]string/);
  });

  test("unknown fields are refused, warned of or ignored as --validate says", async () => {
    const input = manifest("two", "size: 1\nbogus: 1");
    const strict = await run("apply --validate=strict -f -", { input });
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /unknown field "spec\.bogus"/);
    const warned = await run("apply --validate=warn -f -", { input });
    assert.deepEqual([warned.code, /Warning: unknown field "spec\.bogus"/.test(warned.stderr)], [0, true]);
    const ignored = await run("apply --validate=ignore -f -", { input });
    assert.deepEqual([ignored.code, ignored.stderr], [0, ""]);
    await ok("delete wd two");
  });

  test("each wrong field is listed", async () => {
    const { code, stderr } = await run("create -f -", { input: manifest("bad", "size: 99\ncolor: blue") });
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'The Widget "bad" is invalid: \n* spec.size: Invalid value: 99: spec.size in body should be less than or equal to 9\n* spec.color: Unsupported value: "blue": supported values: "red", "green"\n',
    );
  });

  test("diff shows what apply would change, and changes nothing", async () => {
    const { code, stdout } = await run("diff -f -", { input: manifest("one", "size: 8") });
    assert.equal(code, 1);
    assert.match(stdout, /^- {2}size: 4\n\+ {2}size: 8$/m);
    assert.equal(await ok("get wd one -o jsonpath={.spec.size}"), "4");
    assert.match(await ok("apply --dry-run=server -f -", { input: manifest("dry") }), /created \(server dry run\)/);
    assert.equal((await run("get wd dry")).code, 1);
  });

  test("patch, label, annotate, edit and replace", async () => {
    await ok('patch wd one --type merge -p {"spec":{"size":5}}');
    await ok('patch wd one --type json -p [{"op":"replace","path":"/spec/size","value":6}]');
    await ok("label wd one tier=web");
    await ok("annotate wd one example.dev/note=yes");
    await ok("edit wd one", { env: { EDITOR: "sed -i 's/size: 6/size: 7/'" } });
    assert.equal(await ok("get wd one -o jsonpath={.spec.size},{.metadata.labels.tier}"), "7,web");
    const live = await ok("get wd one -o yaml");
    await ok("replace -f -", { input: live.replace("size: 7", "size: 2") });
    const old = await run("replace -f -", { input: live.replace("size: 7", "size: 3") });
    assert.match(
      old.stderr,
      /Conflict.*the object has been modified; please apply your changes to the latest version/s,
    );
  });

  test("get -w follows changes; wait returns when the condition holds", async () => {
    const watching = kubectl.spawn("get wd one -w");
    let seen = "";
    watching.stdout.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
    });
    await once(watching.stdout, "data");
    const waiting = ok("wait --for=condition=Ready wd/one --timeout=20s");
    for (const status of ["False", "True"])
      await ok(
        `patch wd one --subresource=status --type merge -p {"status":{"conditions":[{"type":"Ready","status":"${status}"}]}}`,
      );
    assert.match(await waiting, /condition met/);
    while (!/True/.test(seen)) await once(watching.stdout, "data");
    watching.kill();
    assert.match(seen, /^one +2 +False +\d+s\none +2 +True/m);
  });

  test("describe shows Events", async () => {
    const uid = await ok("get wd one -o jsonpath={.metadata.uid}");
    await ok("create -f -", {
      input: JSON.stringify({
        apiVersion: "v1",
        kind: "Event",
        metadata: { name: "one.1", namespace: "default" },
        involvedObject: { apiVersion: "example.dev/v1", kind: "Widget", name: "one", namespace: "default", uid },
        type: "Normal",
        reason: "Started",
        message: "It started",
        firstTimestamp: new Date().toISOString(),
        lastTimestamp: new Date().toISOString(),
        count: 1,
        source: { component: "test" },
      }),
    });
    assert.match(await ok("describe wd one"), /Normal +Started +\S+ +test +It started/);
    assert.match(await ok("get events"), /Normal +Started +widget\/one +It started/);
  });

  test("Secrets, ConfigMaps and Namespaces are created by kubectl's own commands", async () => {
    await ok("create secret generic s --from-literal=key=value");
    assert.equal(await ok("get secret s -o jsonpath={.data.key}"), Buffer.from("value").toString("base64"));
    await ok("create configmap c --from-literal=key=value");
    await ok('patch configmap c -p {"data":{"more":"x"}}');
    assert.match(await ok("get configmaps"), /^c +2 /m);
    await ok("create namespace team");
    await ok("create configmap -n team c --from-literal=key=value");
    await ok("delete namespace team");
    assert.doesNotMatch(await ok("get namespaces"), /team/);
    const missing = await run("create configmap -n team c --from-literal=key=value");
    assert.match(missing.stderr, /namespaces "team" not found/);
  });

  test("delete waits for finalizers", async () => {
    await ok('patch wd one --type merge -p {"metadata":{"finalizers":["example.dev/x"]}}');
    const deleting = ok("delete wd one --wait --timeout=20s");
    for (;;) {
      const { body } = await kubectl.server.call("GET", `${widgetsPath}/one`);
      if (body["metadata"]?.["deletionTimestamp"] !== undefined) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    await ok('patch wd one --type merge -p {"metadata":{"finalizers":null}}');
    await deleting;
    const { code, stderr } = await run("get wd one");
    assert.deepEqual([code, stderr], [1, 'Error from server (NotFound): widgets.example.dev "one" not found\n']);
  });
});
