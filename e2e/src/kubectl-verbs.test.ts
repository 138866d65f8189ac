// The stock kubectl through every verb, on core kinds and on VirtualMachines without a provider. What is expected is what Kubernetes' own
// documentation shows for a real cluster (https://kubernetes.io/docs/reference/kubectl/), not what this server happened to print.

import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually } from "./support/eventually.ts";
import { VivServer, type CommandResult } from "./support/viv-server.ts";

const configMap = (name: string, value: string, metadata = ""): string => `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
${metadata}data:
  key: ${value}
`;

const machine = `apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata:
  name: vm
spec:
  resources: {cpu: 2, memoryMiB: 512}
  imageRef: {name: none}
  disks: [{name: root, sizeGiB: 10}]
`;

describe("kubectl", { concurrency: false }, () => {
  let server: VivServer;

  before(async () => {
    server = await VivServer.create();
    await server.start();
  });
  after(async () => server[Symbol.asyncDispose]());

  const run = (command: string, input?: string): Promise<CommandResult> =>
    server.kubectl(command.split(" "), input === undefined ? {} : { input });

  async function prints(command: string, expected: string | RegExp, input?: string): Promise<void> {
    const { code, stdout, stderr } = await run(command, input);
    assert.equal(code, 0, `kubectl ${command}: ${stderr}`);
    if (typeof expected === "string") assert.equal(stdout, expected, `kubectl ${command}`);
    else assert.match(stdout, expected, `kubectl ${command}`);
  }

  async function fails(command: string, expected: string | RegExp, input?: string): Promise<void> {
    const { code, stderr } = await run(command, input);
    assert.notEqual(code, 0, `kubectl ${command} should fail`);
    if (typeof expected === "string") assert.equal(stderr, expected, `kubectl ${command}`);
    else assert.match(stderr, expected, `kubectl ${command}`);
  }

  test("every example is accepted as it is written, with no warning", async () => {
    const folder = join(import.meta.dirname, "../../examples");
    const { code, stdout, stderr } = await run(`apply --dry-run=server --validate=strict -R -f ${folder}`);
    assert.deepEqual([code, stderr], [0, ""]);
    for (const kind of ["virtualmachine", "vmclone", "vmimage", "vmplacementpolicy", "vmset", "vmsnapshot"]) {
      assert.match(stdout, new RegExp(`^${kind}\\.infra\\.virtrigaud\\.io/\\S+ created \\(server dry run\\)$`, "m"));
    }
  });

  test("version, cluster-info, api-versions, api-resources", async () => {
    await prints("version", /^Client Version: v1\.\d+\.\d+.*\nKustomize Version: .*\nServer Version: v1\.\d+\.\d+/);
    const versions = (await run("api-versions")).stdout.split("\n");
    for (const version of [
      "v1",
      "apiextensions.k8s.io/v1",
      "authorization.k8s.io/v1",
      "coordination.k8s.io/v1",
      "events.k8s.io/v1",
      "infra.virtrigaud.io/v1beta1",
      "rbac.authorization.k8s.io/v1",
    ])
      assert.ok(versions.includes(version), version);
    await prints("api-resources --no-headers", /^configmaps +cm +v1 +true +ConfigMap$/m);
    await prints("api-resources --no-headers", /^namespaces +ns +v1 +false +Namespace$/m);
    await prints("api-resources --no-headers", /^leases +coordination\.k8s\.io\/v1 +true +Lease$/m);
    await prints("api-resources --no-headers", /^resourcequotas +quota +v1 +true +ResourceQuota$/m);
    await prints("api-resources --no-headers", /^events +ev +events\.k8s\.io\/v1 +true +Event$/m);
    await prints("api-resources --namespaced=false -o name", /^namespaces$/m);
    await prints("api-resources --api-group=coordination.k8s.io -o name", "leases.coordination.k8s.io\n");
    await prints("api-resources --verbs=deletecollection -o name", /^configmaps$/m);
  });

  test("create, get, describe, label, annotate, patch, replace, edit, delete", async () => {
    await prints("create configmap c --from-literal=a=1", "configmap/c created\n");
    await fails(
      "create configmap c --from-literal=a=1",
      'error: failed to create configmap: configmaps "c" already exists\n',
    );
    await prints("create configmap dry --dry-run=server -o name", "configmap/dry\n");
    await fails("get configmap dry", 'Error from server (NotFound): configmaps "dry" not found\n');
    await prints("get cm c", /^NAME +DATA +AGE\nc +1 +\d+s\n$/);
    await prints("get cm c -o wide --no-headers", /^c +1 +\d+s\n$/);
    await prints("get cm c -o jsonpath={.data.a}", "1");
    await prints("get cm c -o custom-columns=N:.metadata.name,D:.data.a", "N     D\nc     1\n");
    await prints("get cm -o name -l x=y", "");
    await prints(
      "describe cm c",
      /^Name: +c\nNamespace: +default\nLabels: +<none>\nAnnotations: +<none>\n\nData\n====\na:\n----\n1\n/,
    );
    await prints("label cm c tier=web", "configmap/c labeled\n");
    await fails("label cm c tier=db", /^error: 'tier' already has a value \(web\), and --overwrite is false\n$/);
    await prints("label cm c tier=db --overwrite", "configmap/c labeled\n");
    await prints("label cm c tier-", "configmap/c unlabeled\n");
    await prints("annotate cm c note=x", "configmap/c annotated\n");
    await prints("annotate cm c note-", "configmap/c annotated\n");
    await prints('patch cm c -p {"data":{"b":"2"}}', "configmap/c patched\n");
    await prints('patch cm c --type=merge -p {"data":{"b":null}}', "configmap/c patched\n");
    await prints('patch cm c --type=json -p [{"op":"add","path":"/data/d","value":"4"}]', "configmap/c patched\n");
    await prints('patch cm c -p {"data":{"d":"4"}}', "configmap/c patched (no change)\n");
    await prints("get cm c -o jsonpath={.data}", '{"a":"1","d":"4"}');
    await prints("replace -f -", "configmap/c replaced\n", configMap("c", "new"));
    await prints("get cm c -o jsonpath={.data}", '{"key":"new"}');
    const editor = join(server.stateDirectory, "editor.sh");
    await writeFile(editor, '#!/bin/sh\nsed -i "s/key: new/key: edited/" "$1"\n');
    await chmod(editor, 0o755);
    const edited = await server.kubectl(["edit", "cm", "c"], { env: { KUBE_EDITOR: editor } });
    assert.equal(edited.stdout, "configmap/c edited\n", edited.stderr);
    await prints("get cm c -o jsonpath={.data.key}", "edited");
    await prints("delete cm c --dry-run=server", 'configmap "c" deleted from default namespace (server dry run)\n');
    await prints("delete cm c", 'configmap "c" deleted from default namespace\n');
    await fails("delete cm c", 'Error from server (NotFound): configmaps "c" not found\n');
    await prints("delete cm c --ignore-not-found", "");
  });

  test("apply, diff", async () => {
    await prints("apply -f -", "configmap/d created\n", configMap("d", "one"));
    await prints("apply -f -", "configmap/d unchanged\n", configMap("d", "one"));
    await prints("diff -f -", "", configMap("d", "one"));
    const different = await run("diff -f -", configMap("d", "two"));
    assert.equal(different.code, 1, different.stderr);
    assert.match(different.stdout, /^-  key: one\n\+  key: two$/m);
    await prints("apply -f -", "configmap/d configured\n", configMap("d", "two"));
    await prints("delete -f -", 'configmap "d" deleted from default namespace\n', configMap("d", "two"));
  });

  test("secrets: created from literals, hidden by describe; immutable ones stay", async () => {
    await prints("create secret generic s --from-literal=password=secret", "secret/s created\n");
    await prints("get secret s", /^NAME +TYPE +DATA +AGE\ns +Opaque +1 +\d+s\n$/);
    await prints("describe secret s", /^Type: +Opaque\n\nData\n====\npassword: +6 bytes\n$/m);
    await prints("get secret s -o jsonpath={.data.password}", "c2VjcmV0");
    await prints('patch secret s -p {"immutable":true}', "secret/s patched\n");
    await fails(
      'patch secret s -p {"stringData":{"password":"x"}}',
      'The Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` is set\n',
    );
    await prints("delete secret s", 'secret "s" deleted from default namespace\n');
  });

  test("selectors choose what get and delete see", async () => {
    for (const [name, tier] of [
      ["l1", "web"],
      ["l2", "db"],
      ["l3", "db"],
    ] as const)
      await prints("create -f -", `configmap/${name} created\n`, configMap(name, "x", `  labels: {tier: ${tier}}\n`));
    const selected = await server.kubectl(["get", "cm", "-l", "tier in (web,db),!x", "-o", "name"]);
    assert.equal(selected.stdout, "configmap/l1\nconfigmap/l2\nconfigmap/l3\n");
    await prints("get cm -l tier!=db,tier -o name", "configmap/l1\n");
    await prints("get cm -L tier l1 --no-headers", /^l1 +1 +\d+s +web\n$/);
    await prints("get cm --field-selector metadata.name=l2 -o name", "configmap/l2\n");
    await prints("get cm -A --field-selector metadata.namespace=default,metadata.name=l2 -o name", "configmap/l2\n");
    await fails(
      "get cm --field-selector spec.x=1",
      /^Error from server \(BadRequest\): Unable to find "\/v1, Resource=configmaps" that match label selector "", field selector "spec.x=1": "spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"\n$/,
    );
    await prints("delete cm -l tier=db", /^configmap "l2" deleted.*\nconfigmap "l3" deleted.*\n$/);
    await prints("get cm -l tier -o name", "configmap/l1\n");
    await prints("delete cm l1", /deleted/);
    await prints("get secrets -l none=none", "");
    assert.equal((await run("get secrets -l none=none")).stderr, "No resources found in default namespace.\n");
  });

  test("namespaces are active at once, take no content twice over, and end with what is in them", async () => {
    await prints("create namespace team", "namespace/team created\n");
    await prints("get namespace team", /^NAME +STATUS +AGE\nteam +Active +\d+s\n$/);
    await prints(
      "describe namespace team",
      /^Name: +team\nLabels: +kubernetes\.io\/metadata\.name=team\nAnnotations: +<none>\nStatus: +Active\n\nNo resource quota\.\n/,
    );
    await prints(
      "create -n team -f -",
      "configmap/held created\n",
      configMap("held", "x", "  finalizers: [example.com/x]\n"),
    );
    await prints("delete namespace team --wait=false", 'namespace "team" deleted\n');
    await prints("get namespace team --no-headers", /^team +Terminating +/);
    await fails(
      "create configmap late -n team",
      'error: failed to create configmap: configmaps "late" is forbidden: unable to create new content in namespace team because it is being terminated\n',
    );
    await prints(
      "wait --for=condition=NamespaceContentRemaining namespace/team --timeout=20s",
      "namespace/team condition met\n",
    );
    await prints(
      'get namespace team -o jsonpath={.status.conditions[?(@.type=="NamespaceFinalizersRemaining")].message}',
      "Some content in the namespace has finalizers remaining: example.com/x in 1 resource instances",
    );
    await prints('patch cm held -n team --type=merge -p {"metadata":{"finalizers":null}}', "configmap/held patched\n");
    await prints("wait --for=delete namespace/team --timeout=20s", /^(namespace\/team condition met\n)?$/);
    await fails("get namespace team", 'Error from server (NotFound): namespaces "team" not found\n');
  });

  test("cascading deletion: background, foreground, orphan", async () => {
    const owned = async (name: string, owner: string): Promise<void> => {
      const uid = (await run(`get cm ${owner} -o jsonpath={.metadata.uid}`)).stdout;
      const owners = `  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: ${owner}, uid: ${uid}, blockOwnerDeletion: true}]\n`;
      await prints("create -f -", `configmap/${name} created\n`, configMap(name, "x", owners));
    };
    for (const cascade of ["background", "foreground", "orphan"]) {
      await prints("create configmap owner", "configmap/owner created\n");
      await owned("dependent", "owner");
      await prints(`delete cm owner --cascade=${cascade}`, 'configmap "owner" deleted from default namespace\n');
      if (cascade === "orphan") {
        await prints("get cm dependent -o jsonpath={.metadata.ownerReferences}", "");
        await prints("delete cm dependent", /deleted/);
      } else
        await eventually("the dependent is gone", async () =>
          (await run("get cm dependent")).code === 0 ? undefined : true,
        );
    }
  });

  test("wait: for a condition of a field, for creation and for deletion", async () => {
    const waiting = run("wait --for=create configmap/w --timeout=20s");
    await prints("create configmap w", "configmap/w created\n");
    assert.equal((await waiting).stdout, "configmap/w condition met\n");
    await prints('patch cm w -p {"data":{"state":"done"}}', "configmap/w patched\n");
    await prints("wait --for=jsonpath={.data.state}=done configmap/w --timeout=5s", "configmap/w condition met\n");
    await fails(
      "wait --for=jsonpath={.data.state}=never configmap/w --timeout=1s",
      /timed out waiting for the condition on configmaps\/w/,
    );
    const gone = run("wait --for=delete configmap/w --timeout=20s");
    await prints("delete cm w", /deleted/);
    assert.equal((await gone).code, 0);
  });

  test("get --watch shows what happens after it began", async () => {
    const watching = run("get cm --watch-only --output-watch-events --request-timeout=4s --no-headers");
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await prints("create configmap seen", "configmap/seen created\n");
    await prints("delete cm seen", /deleted/);
    const { stdout } = await watching;
    assert.match(stdout, /^ADDED +seen +0 +\d+s\n(MODIFIED +seen.*\n)*DELETED +seen +0 +\d+s\n$/);
  });

  test("events: both views, for the object that is described", async () => {
    const event = `apiVersion: v1
kind: Event
metadata: {name: happened}
involvedObject: {apiVersion: v1, kind: ConfigMap, name: about, namespace: default, uid: UID}
type: Warning
reason: Odd
message: this is odd
source: {component: tester}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "${new Date().toISOString().replace(/\.\d+/, "")}"
count: 3
`;
    await prints("create configmap about", "configmap/about created\n");
    const { stdout: uid } = await run("get cm about -o jsonpath={.metadata.uid}");
    await prints("create -f -", "event/happened created\n", event.replace("UID", uid));
    await prints(
      "get events --field-selector involvedObject.name=about --no-headers",
      /^\d+s +Warning +Odd +configmap\/about +this is odd\n$/,
    );
    await prints(
      "get events.events.k8s.io happened -o jsonpath={.note}/{.regarding.name}/{.deprecatedCount}",
      "this is odd/about/3",
    );
    await prints("events --for configmap/about --no-headers", /Warning +Odd +ConfigMap\/about +this is odd/);
    await prints(
      "describe cm about",
      /Events:\n +Type +Reason +Age +From +Message\n.*\n +Warning +Odd +.*tester +this is odd\n/,
    );
    await prints("delete cm about", /deleted/);
  });

  test("quotas are described, kept and refused as in a cluster", async () => {
    await prints("create namespace small", "namespace/small created\n");
    await prints(
      "create quota q -n small --hard=configmaps=2,requests.cpu=3,count/virtualmachines.infra.virtrigaud.io=5",
      "resourcequota/q created\n",
    );
    await prints("create configmap one -n small", "configmap/one created\n");
    await prints("create configmap two -n small", "configmap/two created\n");
    await fails(
      "create configmap three -n small",
      'error: failed to create configmap: configmaps "three" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2\n',
    );
    await prints("apply -n small -f -", "virtualmachine.infra.virtrigaud.io/vm created\n", machine);
    await fails(
      "create -n small -f -",
      /virtualmachines\.infra\.virtrigaud\.io "more" is forbidden: exceeded quota: q, requested: requests\.cpu=2, used: requests\.cpu=2, limited: requests\.cpu=3/,
      machine.replace("name: vm", "name: more"),
    );
    await prints(
      "describe quota q -n small",
      /^Name: +q\nNamespace: +small\nResource +Used +Hard\n-+ +-+ +-+\nconfigmaps +2 +2\ncount\/virtualmachines\.infra\.virtrigaud\.io +1 +5\nrequests\.cpu +2 +3\n$/,
    );
    await prints("describe namespace small", /Resource Quotas\n +Name: +q\n +Resource +Used +Hard\n/);
    await prints(
      "get quota q -n small",
      /^NAME +REQUEST +LIMIT +AGE\nq +configmaps: 2\/2, count\/virtualmachines\.infra\.virtrigaud\.io: 1\/5, requests\.cpu: 2\/3 +\d+s\n$/,
    );
    await prints("delete namespace small --wait=false", /deleted/);
  });

  test("explain, auth, options of get that need nothing but the server", async () => {
    await prints("explain configmap", /^KIND: +ConfigMap\nVERSION: +v1\n\nDESCRIPTION:\n/);
    await prints(
      "explain vm.spec.resources",
      /^GROUP: +infra\.virtrigaud\.io\nKIND: +VirtualMachine\nVERSION: +v1beta1\n\nFIELD: resources <Object>\n/,
    );
    await fails("explain vm.spec.nonsense", 'error: field "nonsense" does not exist\n');
    await prints("auth can-i create configmaps", "yes\n");
    await prints("auth whoami -o jsonpath={.kind}", "SelfSubjectReview");
    await prints("get --raw /readyz", "ok");
    await prints("get ns,cm -o name --ignore-not-found", /^namespace\/default$/m);
    await fails("get nonsense", 'error: the server doesn\'t have a resource type "nonsense"\n');
  });

  test("what is wrong is refused in the words of a cluster", async () => {
    await fails(
      "create -f -",
      /^error: error validating "STDIN": error validating data: unknown object type "nil" in ConfigMap.data.key|strict decoding|error validating/,
      configMap("x", "", "  nonsense: y\n"),
    );
    await fails(
      "create configmap Bad_Name",
      /^error: failed to create configmap: ConfigMap "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
    );
    await fails("create configmap x -n nowhere", 'error: failed to create configmap: namespaces "nowhere" not found\n');
    await fails(
      "delete namespace default",
      /^Error from server \(Forbidden\): namespaces "default" is forbidden: this namespace may not be deleted\n$/,
    );
    const generated = configMap("x", "z").replace("name: x", "generateName: made-");
    await prints("create -f -", /^configmap\/made-[a-z0-9]{5} created\n$/, generated);
  });

  test("delete --all and deletecollection leave nothing", async () => {
    await prints("delete cm --all", /deleted/);
    await prints("get cm -o name", "");
    for (const name of ["r1", "r2"]) await prints(`create configmap ${name}`, `configmap/${name} created\n`);
    await prints("delete --raw /api/v1/namespaces/default/configmaps?labelSelector=none", /"items":\[\]/);
    await prints("delete --raw /api/v1/namespaces/default/configmaps", /"r1".*"r2"/s);
    await prints("get cm -o name", "");
  });
});
