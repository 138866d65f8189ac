// Figures of a libvirt host: one bulk call for all domains, and a few for the host.

import { loadavg } from "node:os";
import { DomainStatsFlags, DomainStatsTypes } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import type { CallOptions, HostCpuStats, HostMemoryStats, HostStats, StatsRole } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { DeviceNameCache } from "./device-name-cache.ts";
import { domainStatsOf } from "./domain-stats.ts";

/** A daemon that lacks one of them leaves it out. */
const wanted =
  DomainStatsTypes.STATE |
  DomainStatsTypes.CPU_TOTAL |
  DomainStatsTypes.BALLOON |
  DomainStatsTypes.VCPU |
  DomainStatsTypes.INTERFACE |
  DomainStatsTypes.BLOCK |
  DomainStatsTypes.DIRTYRATE;

export function createStats(host: LibvirtHost): StatsRole {
  const deviceNames = new DeviceNameCache();

  async function read(libvirt: Libvirt, options: CallOptions | undefined): Promise<HostStats> {
    const [hostname, { cpus }, cpu, memory, records] = await Promise.all([
      libvirt.connectGetHostname(options),
      libvirt.nodeGetInfo(options),
      hostCpu(libvirt, options),
      hostMemory(libvirt, options),
      // Without waiting for a domain whose QEMU hangs or has a job.
      libvirt.connectGetAllDomainStats({ ...options, stats: wanted, flags: DomainStatsFlags.NOWAIT }),
    ]);
    const namesOf = await deviceNames.namesOf(libvirt, records, options);
    return {
      hostname,
      cpu: { cpus, ...cpu },
      memory,
      // libvirt has no call for it; of this machine the kernel tells.
      ...(host.isLocal ? { load: loadOf(loadavg()) } : {}),
      domains: records.flatMap((record) => domainStatsOf(record, namesOf(record.domain.uuid)) ?? []),
    };
  }

  return { read: (options) => host.attempt("read the host's figures", (libvirt) => read(libvirt, options), options) };
}

async function hostCpu(libvirt: Libvirt, options: CallOptions | undefined): Promise<Omit<HostCpuStats, "cpus">> {
  const { userNs, kernelNs, idleNs, iowaitNs, intrNs } = await libvirt.nodeGetCpuStats(undefined, options);
  const seconds = (ns: number): number => ns / 1e9;
  return {
    ...(userNs === undefined ? {} : { userSeconds: seconds(userNs) }),
    ...(kernelNs === undefined ? {} : { systemSeconds: seconds(kernelNs) }),
    ...(idleNs === undefined ? {} : { idleSeconds: seconds(idleNs) }),
    ...(iowaitNs === undefined ? {} : { iowaitSeconds: seconds(iowaitNs) }),
    ...(intrNs === undefined ? {} : { interruptSeconds: seconds(intrNs) }),
  };
}

async function hostMemory(libvirt: Libvirt, options: CallOptions | undefined): Promise<HostMemoryStats> {
  const {
    totalBytes = 0,
    freeBytes = 0,
    cachedBytes = 0,
    buffersBytes = 0,
  } = await libvirt.nodeGetMemoryStats(undefined, options);
  return { totalBytes, freeBytes, reclaimableBytes: cachedBytes + buffersBytes };
}

function loadOf([one = 0, five = 0, fifteen = 0]: readonly number[]): readonly [number, number, number] {
  return [one, five, fifteen];
}
