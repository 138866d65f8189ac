// Figures of domains: of one by kind, of all in one call.

import type { Domain } from "../protocol/handles.ts";
import * as calls from "../protocol/domain-stats.ts";
import type { DomainDiskError } from "../protocol/domain-stats.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { DomainSaveMethods } from "./domain-save-methods.ts";
import { valuesOf } from "../protocol/typed-param.ts";
import type { TypedValues } from "../protocol/typed-param.ts";

/** What the host and the guest's balloon driver tell; absent when they do not. */
export interface DomainMemoryStats {
  readonly swapInBytes?: number;
  readonly swapOutBytes?: number;
  readonly majorFaults?: number;
  readonly minorFaults?: number;
  /** Left unused by the guest. */
  readonly unusedBytes?: number;
  /** As the guest sees it. */
  readonly availableBytes?: number;
  /** The balloon's size: what the guest has. */
  readonly actualBytes?: number;
  /** Of the QEMU process. */
  readonly rssBytes?: number;
  /** What the guest could use without swapping. */
  readonly usableBytes?: number;
  /** When the guest told last; seconds since 1970. */
  readonly lastUpdateSeconds?: number;
  readonly diskCachesBytes?: number;
  readonly hugePageAllocations?: number;
  readonly hugePageFailures?: number;
}

export interface DomainInterfaceStats {
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receiveErrors: number;
  readonly receiveDrops: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sendErrors: number;
  readonly sendDrops: number;
}

export interface DomainStats {
  readonly domain: Domain;
  /** By libvirt's names: `state.state`, `cpu.time`, `block.0.rd.bytes`, … */
  readonly values: TypedValues;
}

/** By virDomainMemoryStatTags: the field, and what one unit of it is. */
const memoryStatFields: readonly (readonly [keyof DomainMemoryStats, number])[] = [
  ["swapInBytes", 1024],
  ["swapOutBytes", 1024],
  ["majorFaults", 1],
  ["minorFaults", 1],
  ["unusedBytes", 1024],
  ["availableBytes", 1024],
  ["actualBytes", 1024],
  ["rssBytes", 1024],
  ["usableBytes", 1024],
  ["lastUpdateSeconds", 1],
  ["diskCachesBytes", 1024],
  ["hugePageAllocations", 1],
  ["hugePageFailures", 1],
];
const diskErrorsMax = 256;

export abstract class DomainStatsMethods extends DomainSaveMethods {
  /** Works only while the domain runs. */
  async domainMemoryStats(domain: Domain, options: FlagOptions = {}): Promise<DomainMemoryStats> {
    const args = { domain, max: memoryStatFields.length, flags: options.flags ?? 0 };
    const { stats } = await this.call(calls.domainMemoryStats, args, options);
    const told: Partial<Record<keyof DomainMemoryStats, number>> = {};
    for (const { tag, value } of stats) {
      const field = memoryStatFields[tag];
      if (field !== undefined) told[field[0]] = value * field[1];
    }
    return told;
  }

  /** `device` is the host's, for example `vnet0`, or the MAC. */
  async domainInterfaceStats(domain: Domain, device: string, options?: CallOptions): Promise<DomainInterfaceStats> {
    return this.call(calls.domainInterfaceStats, { domain, device }, options);
  }

  /** Disks on which the guest met errors, for example of a full host. */
  async domainGetDiskErrors(domain: Domain, options: FlagOptions = {}): Promise<readonly DomainDiskError[]> {
    const args = { domain, max: diskErrorsMax, flags: options.flags ?? 0 };
    return (await this.call(calls.domainGetDiskErrors, args, options)).errors;
  }

  /**
   * Figures of all domains, or of those that are named, in one call. `stats` is of DomainStatsTypes; all that the
   * hypervisor knows when absent. Flags: DomainStatsFlags; NOWAIT leaves out what a busy domain cannot tell at once.
   */
  async connectGetAllDomainStats(
    options: FlagOptions & { readonly domains?: readonly Domain[]; readonly stats?: number } = {},
  ): Promise<readonly DomainStats[]> {
    const args = { domains: options.domains ?? [], stats: options.stats ?? 0, flags: options.flags ?? 0 };
    const { records } = await this.call(calls.connectGetAllDomainStats, args, options);
    return records.map(({ domain, params }) => ({ domain, values: valuesOf(params) }));
  }
}
