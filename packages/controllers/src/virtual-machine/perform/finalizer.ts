// The finalizer that holds a VirtualMachine until nothing of it is left on a hypervisor: the last step of its life, and the first one where
// the API server did not begin with it.

import { virtualMachineFinalizer, VirtualMachine } from "@vivarium/api";
import { ensureFinalizer, removeFinalizer } from "@vivarium/runtime";
import type { VmContext } from "../context.ts";
import type { Look } from "../look.ts";
import type { PlanInput } from "../plan/input.ts";
import { tell } from "../report.ts";

export async function addFinalizer(context: VmContext, { vm, signal }: Look): Promise<void> {
  const target = { type: VirtualMachine, object: vm, finalizer: virtualMachineFinalizer };
  await ensureFinalizer(context.client, target, { signal });
}

export async function dropFinalizer(context: VmContext, { vm, signal }: Look, { adopted }: PlanInput): Promise<void> {
  if (adopted === undefined) {
    tell(context, vm, { type: "Normal", reason: "Deleted", message: "Domain, volumes and leases are removed" });
  }
  const target = { type: VirtualMachine, object: vm, finalizer: virtualMachineFinalizer };
  await removeFinalizer(context.client, target, { signal });
}
