import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Host, isStatus, Namespace, Provider, VirtualMachine, VMClass, VMImage } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import { VivProcess } from "../testing/viv-process.ts";

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
