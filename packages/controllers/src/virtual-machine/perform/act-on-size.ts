// Does one step on the size of a running VM at the provider. How it is taken is in hot-steps.ts.

import { ProviderError } from "@vivarium/provider";
import type { Provider, SizingRole, VmIdentity } from "@vivarium/provider";
import type { SizeStep } from "../plan/size-plan.ts";

export async function actOnSize(
  provider: Provider,
  step: SizeStep,
  { vm, signal }: { readonly vm: VmIdentity; readonly signal: AbortSignal },
): Promise<void> {
  const sizing = sizingOf(provider);
  switch (step.kind) {
    case "AddCpus":
      return sizing.addCpus(vm, step.cpus, { signal });
    case "SetMemory":
      return sizing.setMemory(vm, step.memoryBytes, { signal });
    case "SetLimits":
      return sizing.setLimits(vm, step.limits, { signal });
    case "SetStartOnBoot":
      return sizing.setStartOnBoot(vm, step.startsOnBoot, { signal });
  }
}

function sizingOf(provider: Provider): SizingRole {
  if (provider.sizing !== undefined) return provider.sizing;
  throw new ProviderError("Unsupported", "This hypervisor changes no sizes of VMs that run");
}
