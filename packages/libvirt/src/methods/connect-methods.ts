// virConnect… and virNode…: the hypervisor connection and its host.

import { NodeCpuStatsCpu, NodeMemoryStatsCell } from "../constants/connect.ts";
import * as connect from "../protocol/connect.ts";
import type { Domain, Network, StoragePool } from "../protocol/handles.ts";
import * as node from "../protocol/node.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { Caller, needResults } from "./caller.ts";

export interface NodeInfo {
  /** CPU architecture, for example `x86_64`. */
  readonly model: string;
  readonly memoryBytes: number;
  readonly cpus: number;
  readonly mhz: number;
  /** NUMA nodes. */
  readonly nodes: number;
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

/** What the host tells, in nanoseconds; absent when it does not. */
export interface NodeCpuStats {
  readonly kernelNs?: number;
  readonly userNs?: number;
  readonly idleNs?: number;
  readonly iowaitNs?: number;
  readonly intrNs?: number;
}

/** What the host tells; absent when it does not. */
export interface NodeMemoryStats {
  readonly totalBytes?: number;
  readonly freeBytes?: number;
  readonly buffersBytes?: number;
  readonly cachedBytes?: number;
}

export interface DomainCapabilitiesQuery {
  readonly emulator?: string;
  readonly arch?: string;
  readonly machine?: string;
  /** `kvm`, `qemu`, … */
  readonly virtType?: string;
}

const kib = 1024;

export abstract class ConnectMethods extends Caller {
  /** Version of the hypervisor, for example 7002022; see `formatVersion`. */
  async connectGetVersion(options?: CallOptions): Promise<number> {
    return (await this.call(connect.connectGetVersion, {}, options)).version;
  }

  /** Version of the daemon's libvirt, for example 9000000; see `formatVersion`. */
  async connectGetLibVersion(options?: CallOptions): Promise<number> {
    return (await this.call(connect.connectGetLibVersion, {}, options)).version;
  }

  /** For example `QEMU`. */
  async connectGetType(options?: CallOptions): Promise<string> {
    return (await this.call(connect.connectGetType, {}, options)).type;
  }

  async connectGetHostname(options?: CallOptions): Promise<string> {
    return (await this.call(connect.connectGetHostname, {}, options)).hostname;
  }

  async connectGetUri(options?: CallOptions): Promise<string> {
    return (await this.call(connect.connectGetUri, {}, options)).uri;
  }

  /** XML: https://libvirt.org/formatcaps.html */
  async connectGetCapabilities(options?: CallOptions): Promise<string> {
    return (await this.call(connect.connectGetCapabilities, {}, options)).capabilities;
  }

  /** XML: https://libvirt.org/formatdomaincaps.html */
  async connectGetDomainCapabilities(query: DomainCapabilitiesQuery = {}, options: FlagOptions = {}): Promise<string> {
    const args = {
      emulator: query.emulator,
      arch: query.arch,
      machine: query.machine,
      virtType: query.virtType,
      flags: options.flags ?? 0,
    };
    return (await this.call(connect.connectGetDomainCapabilities, args, options)).capabilities;
  }

  /** Whether a guest with this CPU (a `<cpu>` element) can run there: a CpuCompareResult. */
  async connectCompareHypervisorCpu(
    cpuXml: string,
    query: DomainCapabilitiesQuery = {},
    options: FlagOptions = {},
  ): Promise<number> {
    const { emulator, arch, machine, virtType } = query;
    const args = { emulator, arch, machine, virtType, cpuXml, flags: options.flags ?? 0 };
    return (await this.call(connect.connectCompareHypervisorCpu, args, options)).result;
  }

  /** `feature` is of DriverFeature. */
  async connectSupportsFeature(feature: number, options?: CallOptions): Promise<boolean> {
    return (await this.call(connect.connectSupportsFeature, { feature }, options)).isSupported;
  }

  /** Flags: ListDomainsFlags. */
  async connectListAllDomains(options: FlagOptions = {}): Promise<readonly Domain[]> {
    return (await this.call(connect.connectListAllDomains, { needResults, flags: options.flags ?? 0 }, options)).items;
  }

  /** Flags: ListNetworksFlags. */
  async connectListAllNetworks(options: FlagOptions = {}): Promise<readonly Network[]> {
    return (await this.call(connect.connectListAllNetworks, { needResults, flags: options.flags ?? 0 }, options)).items;
  }

  /** Flags: ListStoragePoolsFlags. */
  async connectListAllStoragePools(options: FlagOptions = {}): Promise<readonly StoragePool[]> {
    return (await this.call(connect.connectListAllStoragePools, { needResults, flags: options.flags ?? 0 }, options))
      .items;
  }

  async nodeGetInfo(options?: CallOptions): Promise<NodeInfo> {
    const { memoryKib, ...info } = await this.call(node.nodeGetInfo, {}, options);
    return { ...info, memoryBytes: memoryKib * kib };
  }

  /** Bytes of the host's memory that are free. */
  async nodeGetFreeMemory(options?: CallOptions): Promise<number> {
    return (await this.call(node.nodeGetFreeMemory, {}, options)).freeBytes;
  }

  /** Time of one CPU, or of all, since the host's start. */
  async nodeGetCpuStats(cpu: number = NodeCpuStatsCpu.ALL, options: FlagOptions = {}): Promise<NodeCpuStats> {
    const args = { cpu, flags: options.flags ?? 0 };
    const { count } = await this.call(node.nodeGetCpuStats, { ...args, count: 0 }, options);
    const { stats } = await this.call(node.nodeGetCpuStats, { ...args, count }, options);
    return Object.fromEntries(stats.map(({ field, value }) => [`${field}Ns`, value]));
  }

  /** Of one NUMA cell, or of the host. */
  async nodeGetMemoryStats(
    cell: number = NodeMemoryStatsCell.ALL,
    options: FlagOptions = {},
  ): Promise<NodeMemoryStats> {
    const args = { cell, flags: options.flags ?? 0 };
    const { count } = await this.call(node.nodeGetMemoryStats, { ...args, count: 0 }, options);
    const { stats } = await this.call(node.nodeGetMemoryStats, { ...args, count }, options);
    return Object.fromEntries(stats.map(({ field, valueKib }) => [`${field}Bytes`, valueKib * kib]));
  }
}

/** `7002022` is `7.2.22`. */
export function formatVersion(version: number): string {
  return [Math.floor(version / 1_000_000), Math.floor(version / 1000) % 1000, version % 1000].join(".");
}
