// Sizes of running VMs of the simulated hypervisor. Whether the guest follows its balloon is in the hands of the test.

import { ProviderError } from "../provider-error.ts";
import type { VmDefinition, VmIdentity } from "../provider.ts";
import type { SizingRole } from "../sizing.ts";
import { requireOwn, requireRunning } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain } from "./world.ts";

type Defined = SimulatedDomain & { definition: VmDefinition };

export function simulatedSizing({ world, gate, guest }: SimulatedParts): SizingRole {
  const defined = (vm: VmIdentity, action: string): Defined => {
    const domain = requireOwn(world, vm, action);
    if (domain.definition === undefined) throw new ProviderError("NotFound", `VM "${vm.name}" is not defined`);
    return domain as Defined;
  };
  const running = (vm: VmIdentity, action: string): Defined => {
    requireRunning(world, vm, action);
    return defined(vm, action);
  };
  const change = (domain: Defined, part: Partial<VmDefinition>): void => {
    domain.definition = { ...domain.definition, ...part };
    world.emit({ kind: "vm", uid: domain.uid, change: "defined" });
  };
  return {
    addCpus: (vm, cpus, options) =>
      gate.run("sizing.addCpus", {
        subject: vm.uid,
        options,
        act() {
          const domain = running(vm, "add CPUs to");
          const { cpus: has, maxCpus = has } = domain.definition;
          if (cpus < has) throw new ProviderError("Unsupported", `VM "${vm.name}" has ${has} CPUs: none is taken away`);
          if (cpus > maxCpus) {
            throw new ProviderError("Unsupported", `VM "${vm.name}" was made for at most ${maxCpus} CPUs`);
          }
          change(domain, { cpus });
        },
      }),
    setMemory: (vm, memoryBytes, options) =>
      gate.run("sizing.setMemory", {
        subject: vm.uid,
        options,
        act() {
          const domain = running(vm, "set the memory of");
          const { memoryBytes: has, maxMemoryBytes = has } = domain.definition;
          if (memoryBytes > maxMemoryBytes) {
            throw new ProviderError("Unsupported", `VM "${vm.name}" was made for at most ${maxMemoryBytes} bytes`);
          }
          if (guest.balloon === "obeys") change(domain, { memoryBytes });
        },
      }),
    setLimits: (vm, limits, options) =>
      gate.run("sizing.setLimits", {
        subject: vm.uid,
        options,
        act() {
          const domain = running(vm, "set the limits of");
          const cpuShares = limits.cpuShares ?? domain.definition.limits?.cpuShares;
          change(domain, { limits: { ...limits, ...(cpuShares === undefined ? {} : { cpuShares }) } });
        },
      }),
    setStartOnBoot: (vm, startsOnBoot, options) =>
      gate.run("sizing.setStartOnBoot", {
        subject: vm.uid,
        options,
        act: () => change(defined(vm, "set the start of"), { startsOnBoot }),
      }),
  };
}
