// Kubernetes' own client library and helm, unchanged, against this server.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  ApiException,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  V1MicroTime,
  Watch,
  type KubernetesObject,
  type V1ConfigMap,
} from "@kubernetes/client-node";
import { eventually } from "./support/eventually.ts";
import { helmPath } from "./support/kubectl.ts";
import { run, VivServer, type CommandResult } from "./support/viv-server.ts";

const namespace = "default";
const group = { group: "infra.virtrigaud.io", version: "v1beta1", namespace, plural: "virtualmachines" };

const machine = (name: string) => ({
  apiVersion: "infra.virtrigaud.io/v1beta1",
  kind: "VirtualMachine",
  metadata: { name, namespace },
  spec: { resources: { cpu: 1, memoryMiB: 256 }, imageRef: { name: "none" } },
});

describe("stock clients", { concurrency: false }, () => {
  let server: VivServer;
  let config: KubeConfig;

  before(async () => {
    server = await VivServer.create();
    await server.start();
    config = new KubeConfig();
    config.loadFromFile(server.kubeconfig);
  });
  after(async () => server[Symbol.asyncDispose]());

  const configMap = (name: string, value = "x"): V1ConfigMap => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
    data: { key: value },
  });

  test("an informer sees what is there and what changes, and is told when its server is killed; nothing is lost", async () => {
    const api = config.makeApiClient(CoreV1Api);
    await api.createNamespacedConfigMap({ namespace, body: configMap("before") });
    const seen: string[] = [];
    const informer = makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, () =>
      api.listNamespacedConfigMap({ namespace }),
    );
    for (const verb of ["add", "update", "delete"] as const)
      informer.on(verb as "add", (object) => seen.push(`${verb} ${object.metadata?.name ?? ""}`));
    let errors = 0;
    informer.on("error", () => void errors++);
    const sees = (what: string) => eventually(what, async () => (seen.includes(what) ? true : undefined));
    await informer.start();
    await sees("add before");
    await api.createNamespacedConfigMap({ namespace, body: configMap("made") });
    await sees("add made");
    await api.replaceNamespacedConfigMap({ name: "made", namespace, body: configMap("made", "y") });
    await sees("update made");
    await api.deleteNamespacedConfigMap({ name: "made", namespace });
    await sees("delete made");
    await server.kill("SIGKILL");
    await eventually("the informer's error", async () => (errors > 0 ? true : undefined));
    await informer.stop();
    await server.start();
    const restarted = new KubeConfig();
    restarted.loadFromFile(server.kubeconfig);
    const again = restarted.makeApiClient(CoreV1Api);
    assert.deepEqual(
      (await again.listNamespacedConfigMap({ namespace })).items.map((item) => item.metadata?.name),
      ["before"],
    );
    config = restarted;
  });

  test("a watch of custom resources from a list's resourceVersion has every change, in order", async () => {
    const api = config.makeApiClient(CustomObjectsApi);
    const list = (await api.listNamespacedCustomObject(group)) as { metadata: { resourceVersion: string } };
    const seen: string[] = [];
    const request = await new Watch(config).watch(
      `/apis/${group.group}/${group.version}/namespaces/${namespace}/${group.plural}`,
      { resourceVersion: list.metadata.resourceVersion, allowWatchBookmarks: true },
      (type, object: { metadata?: { name?: string } }) => void seen.push(`${type} ${object.metadata?.name ?? ""}`),
      () => undefined,
    );
    await api.createNamespacedCustomObject({ ...group, body: machine("watched") });
    await api.deleteNamespacedCustomObject({ ...group, name: "watched" });
    await eventually("the deletion", async () => (seen.includes("DELETED watched") ? true : undefined));
    assert.equal(seen[0], "ADDED watched");
    request.abort();
  });

  test("a Lease changes hands by compare-and-swap, as leader election needs it", async () => {
    const api = config.makeApiClient(CoordinationV1Api);
    const lease = (holder: string, resourceVersion?: string) => ({
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "leader", namespace, ...(resourceVersion !== undefined && { resourceVersion }) },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: 15,
        renewTime: new V1MicroTime(),
        acquireTime: new V1MicroTime(),
      },
    });
    const { metadata } = await api.createNamespacedLease({ namespace, body: lease("a") });
    const renewed = await api.replaceNamespacedLease({
      name: "leader",
      namespace,
      body: lease("a", metadata?.resourceVersion),
    });
    assert.notEqual(renewed.metadata?.resourceVersion, metadata?.resourceVersion);
    await assert.rejects(
      api.replaceNamespacedLease({ name: "leader", namespace, body: lease("b", metadata?.resourceVersion) }),
      (error: unknown) => error instanceof ApiException && error.code === 409,
    );
    const taken = await api.replaceNamespacedLease({
      name: "leader",
      namespace,
      body: lease("b", renewed.metadata?.resourceVersion),
    });
    assert.equal(taken.spec?.holderIdentity, "b");
    assert.ok(taken.spec.renewTime !== undefined);
  });

  test("server-side apply through the library owns its fields and meets conflicts", async () => {
    const api = config.makeApiClient(CoreV1Api);
    const apply = (fieldManager: string, value: string, force = false) =>
      api.patchNamespacedConfigMap(
        { name: "applied", namespace, fieldManager, force, body: configMap("applied", value) },
        setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply),
      );
    await apply("one", "1");
    await assert.rejects(apply("two", "2"), (error: unknown) => error instanceof ApiException && error.code === 409);
    const forced = await apply("two", "2", true);
    assert.equal(forced.data?.["key"], "2");
    assert.deepEqual(
      forced.metadata?.managedFields?.map(({ manager, operation }) => [manager, operation]),
      [["two", "Apply"]],
    );
  });

  test("the generic object client finds any kind by discovery", async () => {
    const api = KubernetesObjectApi.makeApiClient(config);
    const made = await api.create(machine("generic"));
    assert.equal(made.metadata?.name, "generic");
    const read: KubernetesObject = await api.read(machine("generic"));
    assert.ok(read.metadata?.uid !== undefined);
    await api.delete(machine("generic"));
  });

  test("helm installs, upgrades, rolls back and uninstalls a chart", async () => {
    const helm = await helmPath();
    const chart = join(server.stateDirectory, "chart");
    await mkdir(join(chart, "templates"), { recursive: true });
    await writeFile(join(chart, "Chart.yaml"), "apiVersion: v2\nname: small\nversion: 0.1.0\nappVersion: '1'\n");
    await writeFile(join(chart, "values.yaml"), "cpus: 1\nnote: first\n");
    await writeFile(
      join(chart, "templates", "all.yaml"),
      `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-config
  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}
data:
  note: {{ .Values.note | quote }}
---
apiVersion: infra.virtrigaud.io/v1beta1
kind: VirtualMachine
metadata:
  name: {{ .Release.Name }}-vm
spec:
  resources: {cpu: {{ .Values.cpus }}, memoryMiB: 256}
  imageRef: {name: none}
`,
    );
    const helmRun = (...args: string[]): Promise<CommandResult> =>
      run(helm, args, {
        env: {
          KUBECONFIG: server.kubeconfig,
          HELM_CACHE_HOME: join(server.stateDirectory, "helm-cache"),
          HELM_CONFIG_HOME: join(server.stateDirectory, "helm-config"),
          HELM_DATA_HOME: join(server.stateDirectory, "helm-data"),
        },
      });
    const ok = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await helmRun(...args);
      assert.equal(code, 0, `helm ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const cpus = async () =>
      (await server.get<{ spec: { resources: { cpu: number } } }>("vm", "web-vm"))?.spec.resources.cpu;
    assert.match(await ok("install", "web", chart), /STATUS: deployed\nREVISION: 1\n/);
    assert.equal(await cpus(), 1);
    assert.match(await ok("upgrade", "web", chart, "--set", "cpus=2,note=second"), /REVISION: 2\n/);
    assert.equal(await cpus(), 2);
    assert.match(await ok("history", "web"), /1 .*superseded.*\n2 .*deployed/);
    assert.match(await ok("list"), /^web\s+default\s+2\s+.*deployed\s+small-0\.1\.0\s+1/m);
    assert.match(await ok("rollback", "web", "1"), /Rollback was a success/);
    assert.equal(await cpus(), 1);
    assert.match(await ok("get", "manifest", "web"), /kind: VirtualMachine/);
    assert.match(await ok("uninstall", "web"), /release "web" uninstalled/);
    assert.equal(await server.get("configmap", "web-config"), undefined);
    await eventually("the machine is gone", async () =>
      (await server.get("vm", "web-vm")) === undefined ? true : undefined,
    );
  });
});
