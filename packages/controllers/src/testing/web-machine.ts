// The machine `web`, which runs on a simulated hypervisor, and time that goes on by itself.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Provider, VirtualMachine, VMClass } from "@vivarium/api";
import type { VirtualMachineSpec } from "@vivarium/api";
import { headOf, machine, provider } from "./controllers-lab.ts";
import type { ControllersLab } from "./controllers-lab.ts";
import { createReadyImage } from "./ready-image.ts";

interface DomainData {
  /** What is on its disks. */
  data?: string | undefined;
}

/** Where the controllers run already. */
export async function startWeb(
  t: TestContext,
  { client, clock, hypervisor, until }: ControllersLab,
  spec: Partial<VirtualMachineSpec> = {},
): Promise<void> {
  // What failed is tried again.
  const ticking = setInterval(() => void clock.advance(250), 10);
  t.after(() => clearInterval(ticking));
  await client.create(Provider, provider("sim"));
  await client.create(VMClass, { ...headOf(VMClass, "small"), spec: { cpu: 1, memory: "1Gi" } });
  await createReadyImage(client, { sim: hypervisor });
  const refs = { classRef: { name: "small" }, imageRef: { name: "debian" }, providerRef: { name: "sim" } };
  await client.create(VirtualMachine, machine("web", { ...refs, ...spec }));
  await until(VirtualMachine, "web", ({ status }) => status?.powerState === "On");
}

export async function domainOf({ client, hypervisor }: ControllersLab, name: string): Promise<DomainData> {
  const vm = await client.get(VirtualMachine, { namespace: "default", name });
  const domain = hypervisor.world.domains.get(vm.metadata.uid ?? "");
  assert.ok(domain, `VM ${name} has a domain`);
  return domain;
}
