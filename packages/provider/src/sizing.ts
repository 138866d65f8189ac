// How much of the host a VM has, and what of that is changed while it runs.

import type { CallOptions, VmIdentity } from "./provider.ts";

/** No limit where absent. */
export interface ResourceLimits {
  /** Weight against other VMs when they want more CPU than there is. */
  readonly cpuShares?: number;
  /** Most of all its CPUs together. */
  readonly cpuMhz?: number;
  /** Most memory of the host, with what running the VM takes besides. */
  readonly memoryBytes?: number;
}

/** How the guest's CPUs look. */
export interface CpuShape {
  /** `host-passthrough`, `host-model`, or the name of a model; what suits the host when absent. */
  readonly model?: string;
  readonly topology?: { readonly sockets: number; readonly cores: number; readonly threads: number };
}

/**
 * Changes to a running VM and to its definition at once. Each is NotFound without a domain, Conflict when that is foreign or off, and
 * success when it is so already.
 */
export interface SizingRole {
  /** Unsupported when the VM has more CPUs now, or was not made to have so many. The guest takes new ones into use by itself, or not. */
  addCpus(vm: VmIdentity, cpus: number, options?: CallOptions): Promise<void>;
  /**
   * Asks the guest to take or give back memory. Unsupported above what the VM was made to have. Does not wait: what the guest has is
   * observed.
   */
  setMemory(vm: VmIdentity, memoryBytes: number, options?: CallOptions): Promise<void>;
  /** Shares that are absent stay as they are until the VM is next off; the other limits go. */
  setLimits(vm: VmIdentity, limits: ResourceLimits, options?: CallOptions): Promise<void>;
  /** Whether the hypervisor starts the VM by itself when the host starts. Also of a VM that is off. */
  setStartOnBoot(vm: VmIdentity, startsOnBoot: boolean, options?: CallOptions): Promise<void>;
}
