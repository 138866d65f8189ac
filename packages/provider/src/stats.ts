// What the controllers ask of a hypervisor about figures: one look at the host and at every domain on it. An optional role of a Provider.
// Sizes are bytes and times seconds. What only grows is counted from the guest's last start. What the hypervisor does not tell is
// absent, never 0.

import type { CallOptions, PowerState } from "./provider.ts";

/** Figures of a host. */
export interface StatsRole {
  /**
   * Looks at the host and at all domains, ours and others, in a number of calls that does not grow with them. A domain that is busy
   * tells what it can at once. Unavailable when the host does not answer.
   */
  read(options?: CallOptions): Promise<HostStats>;
}

export interface HostStats {
  readonly hostname: string;
  readonly cpu: HostCpuStats;
  readonly memory: HostMemoryStats;
  /** Processes that ran or waited, averaged over 1, 5 and 15 minutes; absent where the hypervisor has no way to ask. */
  readonly load?: readonly [number, number, number];
  readonly domains: readonly DomainStats[];
}

/** Since the host's start, all processors together. */
export interface HostCpuStats {
  readonly cpus: number;
  readonly userSeconds?: number;
  readonly systemSeconds?: number;
  readonly idleSeconds?: number;
  readonly iowaitSeconds?: number;
  readonly interruptSeconds?: number;
}

export interface HostMemoryStats {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What the kernel gives up for a guest: buffers and page cache. */
  readonly reclaimableBytes: number;
}

export interface DomainStats {
  /** The domain's UUID. */
  readonly uid: string;
  readonly name: string;
  readonly power: PowerState;
  /** As in VmObservation: a domain that is paused for a `migration`, a `save`, … has that job. */
  readonly powerReason: string;
  /** Another one after each start, for counting begins anew. Absent while it is off. */
  readonly run?: number;
  /** Virtual CPUs and memory that it has, or would have if it ran. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** The rest: absent while it is off, or busy. */
  readonly cpu?: DomainCpuStats;
  readonly vcpus: readonly VcpuStats[];
  readonly memory?: DomainMemoryStats;
  readonly disks: readonly DomainDiskStats[];
  readonly nics: readonly DomainNicStats[];
  /** How fast the guest writes to its memory, where that was measured: what a live migration has to outrun. */
  readonly dirtyBytesPerSecond?: number;
}

export interface DomainCpuStats {
  /** Of the whole process: virtual CPUs and what serves them. */
  readonly seconds: number;
  readonly userSeconds?: number;
  readonly systemSeconds?: number;
}

export interface VcpuStats {
  readonly index: number;
  readonly seconds?: number;
  /** It had work, and no processor of the host was free. */
  readonly delaySeconds?: number;
}

export interface DomainMemoryStats {
  /** What the balloon leaves the guest. */
  readonly balloonBytes: number;
  /** Of the host's memory. */
  readonly residentBytes?: number;
  /** As the guest's own driver tells: what it sees, what nothing is in, what it could use without swapping, its page cache. */
  readonly guestTotalBytes?: number;
  readonly guestUnusedBytes?: number;
  readonly guestUsableBytes?: number;
  readonly guestCacheBytes?: number;
  readonly swapInBytes?: number;
  readonly swapOutBytes?: number;
  readonly majorFaults?: number;
  readonly minorFaults?: number;
}

export interface DomainDiskStats {
  /** As in the VM's definition; the target (`vdb`) of a disk that has no such name. */
  readonly name: string;
  readonly readBytes?: number;
  readonly readRequests?: number;
  readonly readSeconds?: number;
  readonly writtenBytes?: number;
  readonly writeRequests?: number;
  readonly writeSeconds?: number;
  readonly flushRequests?: number;
  readonly flushSeconds?: number;
  /** As the guest sees it. */
  readonly capacityBytes?: number;
  /** What it takes where it lies. */
  readonly allocationBytes?: number;
}

export interface DomainNicStats {
  /** As in the VM's definition; the MAC (lower case, colons) of a NIC that has no such name. */
  readonly name: string;
  /** Seen from the guest. */
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receiveErrors: number;
  readonly receiveDrops: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sendErrors: number;
  readonly sendDrops: number;
}
