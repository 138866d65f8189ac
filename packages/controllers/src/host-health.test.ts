import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, Provider, VirtualMachine, VMClass, VMImage } from "@vivarium/api";
import type { ProviderErrorCode } from "@vivarium/provider";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { createVirtualMachineController } from "./virtual-machine/virtual-machine.ts";

/** All but a lost connection, which is told by the connection itself. */
const codes: readonly ProviderErrorCode[] = [
  "NotFound",
  "AlreadyExists",
  "InvalidSpec",
  "Unsupported",
  "Conflict",
  "NoSpace",
  "Unauthorized",
  "Timeout",
  "Internal",
];

test("what goes wrong with a VM never counts against its host, whatever it is", async (t) => {
  const { client, run, until, hypervisor, manager, providers, clock } = await controllersLab(t);
  run(createVirtualMachineController({ manager, providers, clock, random: () => 0 }));
  const isReady = (object: Provider | VirtualMachine) => findCondition(object.status?.conditions, "Ready");
  await client.create(Provider, provider("lab"));
  await client.create(VMClass, { ...headOf(VMClass, "small"), spec: { cpu: 1, memory: "1Gi" } });
  const digest = `sha256:${"ab".repeat(32)}`;
  const url = "https://images.example/debian.qcow2";
  const image = await client.create(VMImage, {
    ...headOf(VMImage, "debian"),
    spec: { source: { libvirt: { url } } },
  });
  const file = { digest, format: "qcow2", path: "/x", sizeBytes: 1, virtualSizeBytes: 2 ** 30 } as const;
  const { id } = await hypervisor.open().images.import(file);
  const status = { phase: "Ready", ready: true, providerStatus: { lab: { available: true, id } } } as const;
  await client.updateStatus(VMImage, { ...image, status });
  const before = await until(Provider, "lab", (object) => isReady(object)?.status === "True");
  const checks = (): number => hypervisor.calls.filter(({ method }) => method === "describe").length;
  const checkedBefore = checks();

  for (const code of codes) {
    hypervisor.fail("compute.check", { code, message: `no: ${code}` });
    const name = `vm-${code.toLowerCase()}`;
    const refs = { providerRef: { name: "lab" }, classRef: { name: "small" }, imageRef: { name: "debian" } };
    await client.create(VirtualMachine, machine(name, refs));
    await until(VirtualMachine, name, (vm) => isReady(vm)?.message.includes(`no: ${code}`));
  }

  const after = await client.get(Provider, { namespace: "default", name: "lab" });
  assert.equal(after.status?.healthy, true);
  assert.deepEqual(isReady(after), isReady(before));
  assert.equal(checks(), checkedBefore, "the host was checked again because of a VM");
});
