import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimulatedHypervisor } from "@vivarium/provider";
import { Registry } from "prom-client";
import { meteredFactories } from "./metered-factories.ts";

test("operations are counted under the names that dashboards know, each with its duration", async () => {
  const registry = new Registry();
  const hypervisor = createSimulatedHypervisor();
  const factory = meteredFactories(new Map([["sim", hypervisor.factory]]), registry).get("sim");
  const provider = factory?.open({ endpoint: "sim", credentials: {}, pool: "p", timeoutMs: 1000 }, { name: "lab" });
  assert.ok(provider !== undefined);
  const vm = { uid: "00000000-0000-4000-8000-000000000001", namespace: "default", name: "web" };
  const image = {
    digest: `sha256:${"a".repeat(64)}`,
    format: "qcow2",
    path: "/x",
    sizeBytes: 1,
    virtualSizeBytes: 1,
  } as const;
  await provider.images.import(image);
  await provider.compute.undefine(vm);
  await assert.rejects(provider.compute.start(vm));
  const lines = (await registry.metrics()).split("\n");
  for (const line of [
    'virtrigaud_vm_image_prepare_total{provider_type="sim",outcome="success"} 1',
    'virtrigaud_vm_image_prepare_duration_seconds_count{provider_type="sim",outcome="success"} 1',
    'virtrigaud_vm_operations_total{operation="Delete",provider_type="sim",provider="lab",outcome="success"} 1',
    'virtrigaud_vm_operations_total{operation="Power",provider_type="sim",provider="lab",outcome="error"} 1',
    'virtrigaud_vm_operation_duration_seconds_count{operation="Power",provider_type="sim",provider="lab",outcome="error"} 1',
    'virtrigaud_errors_total{reason="provider-not-found",component="provider"} 1',
    'virtrigaud_provider_tasks_inflight{provider_type="sim",provider="lab"} 0',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.filter((each) => each.startsWith("virtrigaud_vm")).join("\n")}`);
  }
});

test("a move is counted whichever way it goes, and a clone by whether it is linked", async () => {
  const registry = new Registry();
  const factory = meteredFactories(new Map([["sim", createSimulatedHypervisor().factory]]), registry).get("sim");
  const provider = factory?.open({ endpoint: "sim", credentials: {}, pool: "p", timeoutMs: 1000 });
  const { migration, clones } = provider ?? {};
  assert.ok(migration !== undefined && clones !== undefined);
  const vm = { uid: "00000000-0000-4000-8000-000000000001", namespace: "default", name: "web" };
  const other = { ...vm, uid: "00000000-0000-4000-8000-000000000002", name: "copy" };
  const to = createSimulatedHypervisor().open().migration?.target;
  assert.ok(to !== undefined);
  // There is no such machine: what counts is that it was asked for.
  await assert.rejects(migration.move(vm, { to, mode: "offline", storage: "copied" }));
  await assert.rejects(migration.exportDisks(vm, { target: to, vm: other, isVerified: true }));
  for (const method of ["full", "linked"] as const) {
    await assert.rejects(clones.create(other, { method, source: { kind: "snapshot", vm, uid: "s" } }));
  }
  const lines = (await registry.metrics()).split("\n");
  for (const line of [
    'virtrigaud_vm_migrate_total{provider_type="sim",outcome="error"} 2',
    'virtrigaud_vm_migrate_duration_seconds_count{provider_type="sim",outcome="error"} 2',
    'virtrigaud_vm_clone_total{linked="false",provider_type="sim",outcome="error"} 1',
    'virtrigaud_vm_clone_total{linked="true",provider_type="sim",outcome="error"} 1',
    'virtrigaud_vm_clone_duration_seconds_count{linked="true",provider_type="sim",outcome="error"} 1',
  ]) {
    assert.ok(lines.includes(line), `${line}\n${lines.filter((each) => /vm_(clone|migrate)/.test(each)).join("\n")}`);
  }
});
