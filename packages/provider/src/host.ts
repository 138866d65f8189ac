// What the controllers ask of a hypervisor about the machine below it: what it is made of, and what lies on it, whoever put it there.
// Optional: where the role is absent, only `describe` is known.

import type { CallOptions } from "./provider.ts";

/** What does not change while a connection lasts. */
export interface HostDetails {
  /** Tells this host from all others, over reboots. */
  readonly uuid?: string;
  readonly cpuModel?: string;
  readonly versions: {
    /** What runs the VMs, for example `QEMU 7.2.22`. */
    readonly hypervisor: string;
    /** What is asked, for example `libvirt 9.0.0`. */
    readonly manager?: string;
    /** Where the host tells it. */
    readonly kernel?: string;
  };
}

/** A domain of ours or of others. */
export interface DomainSummary {
  /** Its own id, as in events. */
  readonly uid: string;
  readonly name: string;
  /** Whether it holds CPUs and memory now. */
  readonly isOn: boolean;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface HostRole {
  details(options?: CallOptions): Promise<HostDetails>;
  /** Every domain that is there, in few calls however many they are. */
  domains(options?: CallOptions): Promise<readonly DomainSummary[]>;
}
