// What `virtualmachines/NAME/metrics` answers: a VM's figures of the last minutes. It is read and never stored, so it is no kind.

import { vivarium } from "./kind.ts";

export const virtualMachineMetricsType = {
  apiVersion: `${vivarium.group}/${vivarium.version}`,
  kind: "VirtualMachineMetrics",
} as const;

export interface VirtualMachineMetrics {
  readonly apiVersion: typeof virtualMachineMetricsType.apiVersion;
  readonly kind: typeof virtualMachineMetricsType.kind;
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string };
  /** `namespace/name`. */
  readonly provider: string;
  /** Name of its Host. */
  readonly host: string;
  /** How often the host is asked. */
  readonly intervalSeconds: number;
  /** Present while the host does not answer: the samples end there. */
  readonly stale?: { readonly since: string; readonly message: string };
  /** Oldest first. */
  readonly samples: readonly VirtualMachineSample[];
}

/**
 * Totals count from when the server first saw the VM, or from the guest's start before that, and go on over restarts of the guest.
 * Rates are since the sample before; absent in the first one, and where a disk or interface went away meanwhile.
 */
export interface VirtualMachineSample {
  readonly time: string;
  /** `running`, `paused`, `shutting-down`, `off`, `crashed`, `suspended`. */
  readonly power: string;
  readonly cpu: {
    readonly count: number;
    readonly seconds: number;
    /** 100 is one CPU of the host all the time. */
    readonly percent?: number;
  };
  readonly memory: {
    readonly assignedBytes: number;
    /** As the guest's balloon driver tells. */
    readonly usedBytes?: number;
    /** Of the host's memory. */
    readonly residentBytes?: number;
  };
  readonly disk: {
    /** Of all its disks, as the guest sees them. Not told while the guest is off. */
    readonly capacityBytes?: number;
    /** Space that they take in their pools. */
    readonly allocatedBytes?: number;
    readonly readBytes: number;
    readonly writtenBytes: number;
    readonly readBytesPerSecond?: number;
    readonly writtenBytesPerSecond?: number;
    readonly requestsPerSecond?: number;
  };
  readonly network: {
    readonly receivedBytes: number;
    readonly sentBytes: number;
    readonly receivedBytesPerSecond?: number;
    readonly sentBytesPerSecond?: number;
  };
}
