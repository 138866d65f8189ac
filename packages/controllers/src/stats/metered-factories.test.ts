import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimulatedHypervisor, isProviderError } from "@vivarium/provider";
import { Registry } from "prom-client";
import { meteredFactories } from "./metered-factories.ts";

test("every ask is counted by its outcome, and a metered provider is as the one below it", async () => {
  const registry = new Registry();
  const hypervisor = createSimulatedHypervisor();
  const factory = meteredFactories(new Map([["sim", hypervisor.factory]]), registry).get("sim");
  const provider = factory?.open({ endpoint: "sim", credentials: {}, pool: "p", timeoutMs: 1000 });
  assert.ok(provider !== undefined);
  const vm = { uid: "00000000-0000-4000-8000-000000000001", namespace: "default", name: "web" };
  assert.equal(provider.type, "sim");
  assert.equal((await provider.describe()).hostname, "sim");
  assert.deepEqual(await provider.compute.observe(vm), { kind: "absent", volumes: [] });
  await assert.rejects(provider.compute.start(vm), (error) => isProviderError(error, "NotFound"));
  await assert.rejects(provider.compute.observe(vm, { signal: AbortSignal.abort() }), { name: "AbortError" });
  await provider.close();
  const lines = (await registry.metrics()).split("\n");
  assert.deepEqual(
    lines.filter((line) => line.startsWith("virtrigaud_provider_rpc_requests_total")),
    [
      ["describe", "OK"],
      ["compute.observe", "OK"],
      ["compute.start", "NotFound"],
      ["compute.observe", "Canceled"],
    ].map(
      ([method = "", code = ""]) =>
        `virtrigaud_provider_rpc_requests_total{provider_type="sim",method="${method}",code="${code}"} 1`,
    ),
  );
  assert.ok(
    lines.includes('virtrigaud_provider_rpc_latency_seconds_count{provider_type="sim",method="compute.observe"} 2'),
  );
});
