import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import {
  coreKinds,
  Host,
  isStatus,
  kinds,
  Namespace,
  Provider,
  toCustomResourceDefinition,
  VirtualMachine,
  VMClass,
  VMImage,
} from "@vivarium/api";
import type { ApiHandler, KubeObject, ResourceType } from "@vivarium/api";
import { createApiServer } from "@vivarium/apiserver";
import { createClient, inProcessTransport } from "@vivarium/client";
import { openMemoryStore } from "@vivarium/store";
import { pino } from "pino";
import { VivProcess } from "../testing/viv-process.ts";
import { inUseProtection } from "./in-use-protection.ts";

const group = "infra.virtrigaud.io/v1beta1";
const namespace = "team";

test(
  "a Provider stays while machines are on it, and a namespace takes both in that order",
  { timeout: 240_000 },
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "viv-in-use-"));
    t.after(() => rmSync(directory, { recursive: true, force: true }));
    const disk = new Uint8Array(1 << 20);
    disk.set([0x55, 0xaa], 510);
    writeFileSync(join(directory, "disk.raw"), disk);
    await using viv = new VivProcess();
    await viv.start();
    const client = await viv.client();
    const create = async <T extends KubeObject>(
      type: ResourceType<T>,
      name: string,
      rest: Omit<T, keyof KubeObject>,
    ) => {
      const head = { apiVersion: type.group === "" ? "v1" : group, kind: type.kind };
      const metadata = type.namespaced ? { name, namespace } : { name };
      await client.create(type, { ...head, metadata, ...rest } as T);
    };
    const until = async (isSo: () => Promise<boolean>) => {
      while (!(await isSo())) await delay(100, undefined, { signal: t.signal });
    };
    await create(Namespace, namespace, {});
    await create(Provider, "sim", { spec: { type: "sim", endpoint: "sim://here" } });
    await create(VMClass, "tiny", { spec: { cpu: 1, memory: "64Mi" } });
    await create(VMImage, "tiny", { spec: { source: { libvirt: { url: `file://${join(directory, "disk.raw")}` } } } });
    const spec = { providerRef: { name: "sim" }, classRef: { name: "tiny" }, imageRef: { name: "tiny" } };
    await create(VirtualMachine, "web", { spec });
    await until(async () => (await client.get(VirtualMachine, { namespace, name: "web" })).status?.phase === "Running");
    const key = { namespace, name: "sim" };
    await assert.rejects(
      client.delete(Provider, key),
      (error) =>
        isStatus(error, "Forbidden") &&
        /Provider "sim" is in use by VirtualMachine\/web: delete those first/.test(error.message),
    );
    await client.delete(Namespace, { name: namespace });
    await until(async () => (await client.list(Namespace)).items.every(({ metadata }) => metadata.name !== namespace));
    // The hypervisor lives as long as the server: another Provider sees what is left there.
    await client.create(Provider, {
      apiVersion: group,
      kind: "Provider",
      metadata: { name: "again", namespace: "default" },
      spec: { type: "sim", endpoint: "sim://here" },
    });
    const others = async () => {
      const host = (await client.list(Host, { namespace: "default" })).items[0];
      return host?.status?.allocatedByOthers?.machines;
    };
    await until(async () => (await others()) !== undefined);
    assert.equal(await others(), 0);
    await client.close();
  },
);

test("copies of images that stay on a Provider's hosts are told, and those that are about to be removed hold it", async (t) => {
  const store = openMemoryStore();
  let handler: ApiHandler | undefined;
  const server = await createApiServer({
    store,
    resources: coreKinds.map(toCustomResourceDefinition),
    definitions: kinds.map(toCustomResourceDefinition),
    admission: [inUseProtection(() => handler)],
    logger: pino({ level: "silent" }),
  });
  handler = server.handle;
  t.after(async () => {
    await server.close();
    await store.close();
  });
  const client = createClient(inProcessTransport(server.handle, { name: "root", groups: ["system:masters"] }));
  const head = { apiVersion: group, metadata: { namespace: "default", name: "sim" } };
  await client.create(Provider, { ...head, kind: "Provider", spec: { type: "sim", endpoint: "sim://here" } });
  const image = await client.create(VMImage, {
    apiVersion: group,
    kind: "VMImage",
    metadata: { namespace: "default", name: "tiny", finalizers: ["vmimage.infra.virtrigaud.io/finalizer"] },
    spec: { source: { libvirt: { url: "file:///tiny" } } },
  });
  await client.updateStatus(VMImage, {
    ...image,
    status: { providerStatus: { "sim@a": { available: true, id: "1" } } },
  });
  const remove = (dryRun: string) =>
    client.send({
      method: "DELETE",
      path: `/apis/${group}/namespaces/default/providers/sim`,
      query: new URLSearchParams({ dryRun }),
      headers: { accept: "application/json" },
      body: new Uint8Array(0),
    });
  const { headers } = await remove("All");
  assert.match(String(headers["warning"]), /The copies of VMImage tiny stay on its hosts/);
  await client.delete(VMImage, { namespace: "default", name: "tiny" });
  await assert.rejects(
    remove("All"),
    (error) => isStatus(error, "Forbidden") && /in use by VMImage\/tiny, which is being deleted/.test(error.message),
  );
});
