import assert from "node:assert/strict";
import { test } from "node:test";
import { isProviderError } from "../provider-error.ts";
import type { Provider, ProviderEvent, VmDefinition, VmIdentity } from "../provider.ts";
import { createSimulatedHypervisor } from "./simulated-hypervisor.ts";

const vm: VmIdentity = { uid: "0b7c6c1e-9d3a-4a53-9a33-4c2f6f1f7a01", namespace: "default", name: "web" };
const definition: VmDefinition = {
  identity: vm,
  cpus: 1,
  memoryBytes: 2 ** 28,
  firmware: "BIOS",
  secureBoot: false,
  tpm: false,
  nestedVirtualization: false,
  disks: [{ name: "data" }],
  networks: [{ name: "nic", source: { network: "default" }, model: "virtio", mac: "52:54:00:00:00:01" }],
};

async function build(provider: Provider): Promise<void> {
  await provider.disks.ensureData(vm, { name: "data", sizeBytes: 2 ** 20, preallocated: false });
  await provider.disks.writeSeed(vm, new Uint8Array(2048));
  await provider.compute.define(definition);
}

test("a failed call does nothing; a call with a lost answer has done everything", async () => {
  const hypervisor = createSimulatedHypervisor();
  const provider = hypervisor.open();
  hypervisor.fail("compute.define");
  await assert.rejects(build(provider), (error) => isProviderError(error, "Unavailable"));
  assert.equal((await provider.compute.observe(vm)).kind, "absent");
  hypervisor.loseAnswer("compute.define", { code: "Timeout" });
  await assert.rejects(build(provider), (error) => isProviderError(error, "Timeout"));
  assert.equal((await provider.compute.observe(vm)).kind, "present");
});

test("fault rules are used up", async () => {
  const hypervisor = createSimulatedHypervisor();
  const provider = hypervisor.open();
  hypervisor.fail("*", { times: 2, code: "Internal" });
  await assert.rejects(provider.describe());
  await assert.rejects(provider.compute.observe(vm));
  await provider.describe();
  assert.deepEqual(
    hypervisor.calls.map((call) => call.outcome),
    ["failed", "failed", "ok"],
  );
});

test("while disconnected nothing can be looked at, and both ends of the gap are events", async () => {
  const hypervisor = createSimulatedHypervisor();
  const provider = hypervisor.open();
  const events: ProviderEvent[] = [];
  const stop = new AbortController();
  provider.subscribe((event) => events.push(event), { signal: stop.signal });
  await build(provider);
  hypervisor.disconnect();
  await assert.rejects(provider.compute.observe(vm), (error) => isProviderError(error, "Unavailable"));
  hypervisor.reconnect();
  assert.equal((await provider.compute.observe(vm)).kind, "present");
  stop.abort();
  hypervisor.disconnect();
  assert.deepEqual(
    events.map((event) => event.kind),
    ["connected", "vm", "disconnected", "connected"],
  );
});

test("a hanging call ends with the caller's signal", async () => {
  const hypervisor = createSimulatedHypervisor();
  hypervisor.hang("compute.observe");
  const reason = new Error("deadline");
  const caller = new AbortController();
  const looking = hypervisor.open().compute.observe(vm, { signal: caller.signal });
  caller.abort(reason);
  await assert.rejects(looking, reason);
});

test("stopping from outside shows as the state, its reason and an event", async () => {
  const hypervisor = createSimulatedHypervisor();
  const provider = hypervisor.open();
  await build(provider);
  await provider.compute.start(vm);
  const changes: string[] = [];
  provider.subscribe((event) => event.kind === "vm" && changes.push(event.change), {
    signal: new AbortController().signal,
  });
  hypervisor.stopFromOutside(vm.uid, "crashed");
  const seen = await provider.compute.observe(vm);
  assert.deepEqual(seen.kind === "present" && [seen.power, seen.powerReason], ["off", "crashed"]);
  assert.deepEqual(changes, ["stopped"]);
});

test("a guest that ignores the shutdown request goes on running", async () => {
  const hypervisor = createSimulatedHypervisor({ guest: { shutdown: "ignores" } });
  const provider = hypervisor.open();
  await build(provider);
  await provider.compute.start(vm);
  await provider.compute.requestShutdown(vm);
  const seen = await provider.compute.observe(vm);
  assert.equal(seen.kind === "present" && seen.power, "running");
});
