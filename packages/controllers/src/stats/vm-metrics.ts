// The figures of a VM as time series: name, kind and what they are read from. Disks and NICs have node_exporter's names for the same things.

import type { DomainDiskStats, DomainNicStats, DomainStats, VcpuStats } from "@vivarium/provider";

/** A figure, and the device or virtual CPU that it is of. */
export interface Figure {
  /** Empty: of the VM as a whole. */
  readonly part: string;
  readonly value: number;
}

export type PartLabel = "vcpu" | "disk" | "interface";

export interface VmMetric {
  readonly name: string;
  /** A counter only grows, over restarts of the guest too. */
  readonly kind: "counter" | "gauge";
  readonly help: string;
  /** Absent: of the VM as a whole. */
  readonly partLabel?: PartLabel;
  figures(vm: DomainStats): readonly Figure[];
}

type Of<T> = (part: T) => number | undefined;
type Kind = VmMetric["kind"];

const prefix = "vivarium_vm";

function whole(kind: Kind, name: string, help: string, of: Of<DomainStats>): VmMetric {
  return { name: `${prefix}_${name}`, kind, help, figures: (vm) => figure("", of(vm)) };
}

function perDisk(kind: Kind, name: string, help: string, of: Of<DomainDiskStats>): VmMetric {
  const figures = (vm: DomainStats): readonly Figure[] => vm.disks.flatMap((disk) => figure(disk.name, of(disk)));
  return { name: `${prefix}_disk_${name}`, kind, help, partLabel: "disk", figures };
}

function perNic(name: string, help: string, of: Of<DomainNicStats>): VmMetric {
  const figures = (vm: DomainStats): readonly Figure[] => vm.nics.flatMap((nic) => figure(nic.name, of(nic)));
  return { name: `${prefix}_network_${name}`, kind: "counter", help, partLabel: "interface", figures };
}

function perVcpu(name: string, help: string, of: Of<VcpuStats>): VmMetric {
  const figures = (vm: DomainStats): readonly Figure[] =>
    vm.vcpus.flatMap((vcpu) => figure(String(vcpu.index), of(vcpu)));
  return { name: `${prefix}_vcpu_${name}`, kind: "counter", help, partLabel: "vcpu", figures };
}

function figure(part: string, value: number | undefined): readonly Figure[] {
  return value === undefined ? [] : [{ part, value }];
}

export const cpuSeconds = whole(
  "counter",
  "cpu_seconds_total",
  "CPU time of the VM's process, virtual CPUs and what serves them.",
  (vm) => vm.cpu?.seconds,
);
export const diskReadBytes = perDisk("counter", "read_bytes_total", "Bytes read.", (disk) => disk.readBytes);
export const diskWrittenBytes = perDisk(
  "counter",
  "written_bytes_total",
  "Bytes written.",
  (disk) => disk.writtenBytes,
);
export const diskReads = perDisk("counter", "reads_completed_total", "Reads.", (disk) => disk.readRequests);
export const diskWrites = perDisk("counter", "writes_completed_total", "Writes.", (disk) => disk.writeRequests);
export const receivedBytes = perNic("receive_bytes_total", "Bytes the guest received.", (nic) => nic.receivedBytes);
export const sentBytes = perNic("transmit_bytes_total", "Bytes the guest sent.", (nic) => nic.sentBytes);

export const vmMetrics: readonly VmMetric[] = [
  whole("gauge", "running", "1 while the VM runs or is paused, else 0.", (vm) => (vm.run === undefined ? 0 : 1)),
  whole("gauge", "cpus", "Virtual CPUs.", (vm) => vm.cpus),
  cpuSeconds,
  whole("counter", "cpu_user_seconds_total", "CPU time in user mode.", (vm) => vm.cpu?.userSeconds),
  whole("counter", "cpu_system_seconds_total", "CPU time in the kernel.", (vm) => vm.cpu?.systemSeconds),
  perVcpu("seconds_total", "Time a virtual CPU ran.", (vcpu) => vcpu.seconds),
  perVcpu("delay_seconds_total", "Time a virtual CPU waited for a CPU of the host.", (vcpu) => vcpu.delaySeconds),
  whole("gauge", "memory_assigned_bytes", "Memory that the VM was given.", (vm) => vm.memoryBytes),
  whole("gauge", "memory_balloon_bytes", "Memory that the balloon leaves the guest.", (vm) => vm.memory?.balloonBytes),
  whole("gauge", "memory_resident_bytes", "Memory of the host that it takes.", (vm) => vm.memory?.residentBytes),
  whole("gauge", "memory_guest_total_bytes", "Memory that the guest sees.", (vm) => vm.memory?.guestTotalBytes),
  whole(
    "gauge",
    "memory_guest_free_bytes",
    "Memory that the guest uses for nothing.",
    (vm) => vm.memory?.guestUnusedBytes,
  ),
  whole(
    "gauge",
    "memory_guest_available_bytes",
    "Memory that the guest could use without swapping.",
    (vm) => vm.memory?.guestUsableBytes,
  ),
  whole("gauge", "memory_guest_cache_bytes", "Page cache of the guest.", (vm) => vm.memory?.guestCacheBytes),
  whole(
    "counter",
    "memory_swap_in_bytes_total",
    "Read back by the guest from its swap.",
    (vm) => vm.memory?.swapInBytes,
  ),
  whole("counter", "memory_swap_out_bytes_total", "Written by the guest to its swap.", (vm) => vm.memory?.swapOutBytes),
  whole(
    "counter",
    "memory_major_faults_total",
    "Page faults of the guest that read a disk.",
    (vm) => vm.memory?.majorFaults,
  ),
  whole(
    "counter",
    "memory_minor_faults_total",
    "Page faults of the guest that read none.",
    (vm) => vm.memory?.minorFaults,
  ),
  whole(
    "gauge",
    "memory_dirty_bytes_per_second",
    "How fast the guest writes to its memory, where that was measured.",
    (vm) => vm.dirtyBytesPerSecond,
  ),
  diskReadBytes,
  diskWrittenBytes,
  diskReads,
  diskWrites,
  perDisk("counter", "read_time_seconds_total", "Time spent in reads.", (disk) => disk.readSeconds),
  perDisk("counter", "write_time_seconds_total", "Time spent in writes.", (disk) => disk.writeSeconds),
  perDisk("counter", "flush_requests_total", "Flushes.", (disk) => disk.flushRequests),
  perDisk("counter", "flush_requests_time_seconds_total", "Time spent in flushes.", (disk) => disk.flushSeconds),
  perDisk("gauge", "capacity_bytes", "Size as the guest sees it.", (disk) => disk.capacityBytes),
  perDisk("gauge", "allocation_bytes", "Space that it takes in its pool.", (disk) => disk.allocationBytes),
  receivedBytes,
  sentBytes,
  perNic("receive_packets_total", "Packets the guest received.", (nic) => nic.receivedPackets),
  perNic("transmit_packets_total", "Packets the guest sent.", (nic) => nic.sentPackets),
  perNic("receive_errs_total", "Errors in receiving.", (nic) => nic.receiveErrors),
  perNic("transmit_errs_total", "Errors in sending.", (nic) => nic.sendErrors),
  perNic("receive_drop_total", "Packets for the guest that were dropped.", (nic) => nic.receiveDrops),
  perNic("transmit_drop_total", "Packets of the guest that were dropped.", (nic) => nic.sendDrops),
];

/** Names of the parts that the VM has now, of the kind that the metric tells apart. */
export function partsOf(vm: DomainStats, label: PartLabel | undefined): readonly string[] {
  switch (label) {
    case undefined:
      return [""];
    case "vcpu":
      return vm.vcpus.map(({ index }) => String(index));
    case "disk":
      return vm.disks.map(({ name }) => name);
    case "interface":
      return vm.nics.map(({ name }) => name);
  }
}
