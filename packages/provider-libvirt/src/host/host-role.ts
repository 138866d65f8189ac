// The machine below libvirt: what it is made of, and all domains on it in one call.

import { DomainState, DomainStatsFlags, DomainStatsTypes } from "@vivarium/libvirt";
import type { DomainStats } from "@vivarium/libvirt";
import type { DomainSummary, HostRole } from "@vivarium/provider";
import type { FactSource } from "../host-facts.ts";
import type { LibvirtHost } from "../libvirt-host.ts";

const wanted = DomainStatsTypes.STATE | DomainStatsTypes.VCPU | DomainStatsTypes.BALLOON;

export function createHostRole({ host, facts }: { readonly host: LibvirtHost; readonly facts: FactSource }): HostRole {
  return {
    async details(options) {
      return (await facts.get(options)).details;
    },
    async domains(options) {
      const stats = await host.attempt(
        "list domains",
        // A domain that is busy tells its size all the same; only its figures of the moment are left out.
        (libvirt) => libvirt.connectGetAllDomainStats({ ...options, stats: wanted, flags: DomainStatsFlags.NOWAIT }),
        options,
      );
      return stats.map(summaryOf);
    },
  };
}

export function summaryOf({ domain, values }: DomainStats): DomainSummary {
  return {
    uid: domain.uuid,
    name: domain.name,
    isOn: numberAt(values, "state.state") !== DomainState.SHUTOFF,
    cpus: numberAt(values, "vcpu.current"),
    memoryBytes: numberAt(values, "balloon.maximum") * 1024,
  };
}

function numberAt(values: DomainStats["values"], name: string): number {
  return Number(values[name] ?? 0);
}
