import assert from "node:assert/strict";
import { test } from "node:test";
import { Event, findCondition, Provider, Secret, VirtualMachine } from "@vivarium/api";
import { controllersLab, machine, provider } from "./testing/controllers-lab.ts";
import { eventually } from "./testing/eventually.ts";

const key = { namespace: "default", name: "lab" };

function readyOf(object: Provider) {
  return findCondition(object.status?.conditions, "Ready");
}

test("a provider that answers is Ready and says what was found", async (t) => {
  const { client, run, until, providers } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  const { status } = await until(Provider, "lab", (object) => readyOf(object)?.status === "True");
  assert.equal(status?.healthy, true);
  assert.equal(status.version, "sim 1");
  assert.equal(status.host?.cpus, 16);
  assert.deepEqual(status.acceleration, { kind: "tcg", reason: "simulated" });
  assert.equal(status.reportedCapabilities?.supportsLinkedClones, true);
  assert.notEqual(providers.get(key), undefined);
});

test("a type that is not built in is refused, and nothing is opened", async (t) => {
  const { client, run, until, providers } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab", { type: "vsphere", endpoint: "https://vcenter.example" }));
  const object = await until(Provider, "lab", (each) => readyOf(each)?.status === "False");
  assert.equal(readyOf(object)?.reason, "UnsupportedProviderType");
  assert.match(readyOf(object)?.message ?? "", /vsphere.*it has: sim/);
  assert.equal(object.status?.healthy, false);
  assert.equal(providers.get(key), undefined);
});

test("a missing Secret is named, and the provider heals when it appears", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab", { credentialSecretRef: { name: "login" } }));
  const object = await until(Provider, "lab", (each) => readyOf(each)?.reason === "SecretNotFound");
  assert.match(readyOf(object)?.message ?? "", /"login"/);
  await client.create(Secret, { apiVersion: "v1", kind: "Secret", metadata: { name: "login", namespace: "default" } });
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
});

test("an endpoint that is down at the start is reported with its cause and next try, and heals by itself", async (t) => {
  const { client, run, until, hypervisor, clock } = await controllersLab(t);
  hypervisor.disconnect();
  run();
  await client.create(Provider, provider("lab"));
  const object = await until(Provider, "lab", (each) => readyOf(each)?.status === "False");
  assert.equal(readyOf(object)?.reason, "Unreachable");
  assert.match(readyOf(object)?.message ?? "", /tried again every 5s/);
  hypervisor.world.connected = true;
  await clock.advance(5_000);
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
});

test("a connection that is lost and comes back shows at once, whatever the interval", async (t) => {
  const { client, run, until, hypervisor } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab", { healthCheck: { interval: "1h", failureThreshold: 10 } }));
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
  hypervisor.disconnect();
  const down = await until(Provider, "lab", (each) => readyOf(each)?.status === "False");
  assert.match(readyOf(down)?.message ?? "", /hung up/);
  hypervisor.reconnect();
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
  const reasons = await eventually(async () => {
    const { items } = await client.list(Event);
    return items.length >= 2 && items.map((event) => `${event.type} ${event.reason}`);
  }, "events");
  assert.deepEqual(reasons.sort(), ["Normal Connected", "Warning Unreachable"]);
});

test("a check that gets no answer fails at its time-out; a healthy provider bears that up to the threshold", async (t) => {
  const { client, run, until, hypervisor, clock } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
  await clock.advance(0);
  hypervisor.hang("describe", { times: 3 });
  await clock.advance(80_000 - 1);
  assert.equal(readyOf(await client.get(Provider, key))?.status, "True");
  await clock.advance(60_000);
  const object = await until(Provider, "lab", (each) => readyOf(each)?.status === "False");
  assert.equal(readyOf(object)?.reason, "Timeout");
  await clock.advance(60_000);
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
});

test("another pool reopens the provider; deletion closes it", async (t) => {
  const { client, run, until, providers } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
  const first = providers.get(key);
  await client.mergePatch(Provider, key, { spec: { defaults: { datastore: "other" } } });
  const second = await eventually(() => {
    const open = providers.get(key);
    return open !== first && open;
  }, "another provider");
  await client.mergePatch(Provider, key, { metadata: { labels: { a: "b" } } });
  await until(Provider, "lab", (each) => each.status?.observedGeneration === 2 && readyOf(each)?.status === "True");
  assert.equal(providers.get(key), second);
  await client.delete(Provider, key);
  await eventually(() => providers.get(key) === undefined, "the close");
});

test("machines on it are counted, those that name no provider too where it is the only one", async (t) => {
  const { client, run, until } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  await client.create(VirtualMachine, machine("a", { providerRef: { name: "lab" } }));
  await client.create(VirtualMachine, machine("b", {}));
  await until(Provider, "lab", (each) => each.status?.connectedVMs === 2);
  await client.create(Provider, provider("second"));
  await client.delete(VirtualMachine, { namespace: "default", name: "a" });
  await until(Provider, "lab", (each) => each.status?.connectedVMs === 0);
});

test("an idle healthy provider is asked on its interval and written at most every ten minutes", async (t) => {
  const { client, run, until, clock, hypervisor } = await controllersLab(t);
  run();
  await client.create(Provider, provider("lab"));
  const ready = await until(Provider, "lab", (each) => readyOf(each)?.status === "True");
  const asked = hypervisor.calls.length;
  await clock.advance(9 * 60_000);
  assert.ok(hypervisor.calls.length >= asked + 17);
  const later = await client.get(Provider, key);
  assert.equal(later.metadata.resourceVersion, ready.metadata.resourceVersion);
  await clock.advance(2 * 60_000);
  const renewed = await client.get(Provider, key);
  assert.notEqual(renewed.status?.lastHealthCheck, ready.status?.lastHealthCheck);
});
