import assert from "node:assert/strict";
import { test } from "node:test";
import { findCondition, Provider, VirtualMachine, VMClass } from "@vivarium/api";
import type { ProviderErrorCode } from "@vivarium/provider";
import { controllersLab, headOf, machine, provider } from "./testing/controllers-lab.ts";
import { createReadyImage } from "./testing/ready-image.ts";
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
  await createReadyImage(client, { lab: hypervisor });
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
