// Sizes of running domains: CPUs added, memory taken and given back by the balloon, limits. What is changed is changed in the running domain
// and in its definition at once, so that the next start finds the same.

import { DomainModificationImpact } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, SizingRole, VmIdentity } from "@vivarium/provider";
import { requireOwnDomain, requireRunningDomain } from "../domain/lookup.ts";
import type { OwnDomain } from "../domain/lookup.ts";
import type { FactSource } from "../host-facts.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { periodUs, quotaOf, unlimitedKib } from "./limits.ts";

const { LIVE, CONFIG } = DomainModificationImpact;
const both = LIVE | CONFIG;

export function createSizing({ host, facts }: { readonly host: LibvirtHost; readonly facts: FactSource }): SizingRole {
  async function onRunning(
    vm: VmIdentity,
    { action, options }: { readonly action: string; readonly options: CallOptions | undefined },
    act: (libvirt: Libvirt, own: OwnDomain) => Promise<void>,
  ): Promise<void> {
    await host.attempt(
      `${action} VM "${vm.name}"`,
      async (libvirt) => act(libvirt, await requireRunningDomain(libvirt, { vm, options, action })),
      options,
    );
  }

  return {
    async addCpus(vm, cpus, options) {
      const action = "add CPUs to";
      await onRunning(vm, { action, options }, async (libvirt, { domain, view }) => {
        if (cpus === view.cpus) return;
        if (cpus < view.cpus) {
          // Under emulation a guest that is asked to let a CPU go does not answer, and QEMU crashes at the next device that is plugged.
          throw unsupported(vm, `it has ${view.cpus} CPUs, and none is taken from a running guest`);
        }
        if (cpus > view.maxCpus)
          throw unsupported(vm, `it was started with room for ${view.maxCpus} CPUs, not ${cpus}`);
        await libvirt.domainSetVcpusFlags(domain, cpus, { ...options, flags: both });
      });
    },

    async setMemory(vm, memoryBytes, options) {
      const action = "set the memory of";
      await onRunning(vm, { action, options }, async (libvirt, { domain, view }) => {
        if (memoryBytes > view.maxMemoryBytes) {
          const room = `${view.maxMemoryBytes} bytes, not ${memoryBytes}`;
          throw unsupported(vm, `it was started with room for ${room}`);
        }
        await libvirt.domainSetMemoryFlags(domain, wholeKib(memoryBytes), { ...options, flags: both });
      });
    },

    async setLimits(vm, limits, options) {
      const { cpuMhz } = await facts.get(options);
      const action = "set the limits of";
      await onRunning(vm, { action, options }, async (libvirt, { domain }) => {
        const quota = limits.cpuMhz === undefined ? -1 : quotaOf(limits.cpuMhz, cpuMhz);
        const scheduler = {
          ...(limits.cpuShares === undefined ? {} : { cpu_shares: limits.cpuShares }),
          global_period: periodUs,
          global_quota: quota,
        };
        await libvirt.domainSetSchedulerParametersFlags(domain, scheduler, { ...options, flags: both });
        const hardLimitKib = limits.memoryBytes === undefined ? unlimitedKib : Math.floor(limits.memoryBytes / 1024);
        // Of this run alone: see limits.ts.
        await libvirt.domainSetMemoryParameters(domain, { hard_limit: hardLimitKib }, { ...options, flags: LIVE });
      });
    },

    async setStartOnBoot(vm, startsOnBoot, options) {
      const action = "set the start of";
      await host.attempt(
        `${action} VM "${vm.name}"`,
        async (libvirt) => {
          const { domain } = await requireOwnDomain(libvirt, { vm, options, action });
          await libvirt.domainSetAutostart(domain, startsOnBoot, options);
        },
        options,
      );
    },
  };
}

function wholeKib(bytes: number): number {
  return Math.ceil(bytes / 1024) * 1024;
}

function unsupported(vm: VmIdentity, why: string): ProviderError {
  return new ProviderError("Unsupported", `Cannot change the size of VM "${vm.name}" while it runs: ${why}`);
}
