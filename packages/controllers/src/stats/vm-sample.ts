// One sample of a VM's short history, and the rates between two. Pure.

import { formatTime } from "@vivarium/api";
import type { VirtualMachineSample } from "@vivarium/api";
import type { DomainMemoryStats, DomainStats } from "@vivarium/provider";
import type { VmCounters } from "./vm-counters.ts";
import {
  cpuSeconds,
  diskReadBytes,
  diskReads,
  diskWrites,
  diskWrittenBytes,
  receivedBytes,
  sentBytes,
} from "./vm-metrics.ts";

export interface Sample {
  readonly atMs: number;
  readonly power: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly usedMemoryBytes?: number;
  readonly residentBytes?: number;
  readonly cpuSeconds: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly requests: number;
  readonly diskBytes?: number;
  readonly allocatedBytes?: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

export function sampleOf(
  vm: DomainStats,
  { counters, atMs }: { readonly counters: VmCounters; readonly atMs: number },
): Sample {
  const diskBytes = sumOf(vm.disks.map((disk) => disk.capacityBytes));
  const allocatedBytes = sumOf(vm.disks.map((disk) => disk.allocationBytes));
  const usedMemoryBytes = vm.memory === undefined ? undefined : usedBytesOf(vm.memory);
  return {
    atMs,
    power: vm.power,
    cpus: vm.cpus,
    memoryBytes: vm.memoryBytes,
    ...(usedMemoryBytes === undefined ? {} : { usedMemoryBytes }),
    ...(vm.memory?.residentBytes === undefined ? {} : { residentBytes: vm.memory.residentBytes }),
    cpuSeconds: counters.total(cpuSeconds),
    readBytes: counters.total(diskReadBytes),
    writtenBytes: counters.total(diskWrittenBytes),
    requests: counters.total(diskReads) + counters.total(diskWrites),
    ...(diskBytes === undefined ? {} : { diskBytes }),
    ...(allocatedBytes === undefined ? {} : { allocatedBytes }),
    receivedBytes: counters.total(receivedBytes),
    sentBytes: counters.total(sentBytes),
  };
}

/** Undefined where nothing is told of any. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const told = values.filter((value) => value !== undefined);
  return told.length === 0 ? undefined : told.reduce((sum, value) => sum + value, 0);
}

/** Page cache that the guest would give up is not in use, where the guest tells. */
function usedBytesOf({ guestTotalBytes, guestUsableBytes, guestUnusedBytes }: DomainMemoryStats): number | undefined {
  const free = guestUsableBytes ?? guestUnusedBytes;
  return guestTotalBytes === undefined || free === undefined ? undefined : Math.max(0, guestTotalBytes - free);
}

/** The newest `count` of the samples, each with its rates since the one before. */
export function shownSamples(samples: readonly Sample[], count: number): readonly VirtualMachineSample[] {
  return samples.map((sample, index) => shown(sample, samples[index - 1])).slice(Math.max(0, samples.length - count));
}

function shown(sample: Sample, before: Sample | undefined): VirtualMachineSample {
  const seconds = before === undefined ? 0 : (sample.atMs - before.atMs) / 1000;
  function rate<K extends string>(name: K, of: (each: Sample) => number): { readonly [P in K]?: number } {
    const grown = before === undefined ? -1 : of(sample) - of(before);
    const told: { [P in K]?: number } = {};
    if (seconds > 0 && grown >= 0) told[name] = rounded(grown / seconds);
    return told;
  }
  return {
    time: formatTime(new Date(sample.atMs)),
    power: sample.power,
    cpu: {
      count: sample.cpus,
      seconds: sample.cpuSeconds,
      ...rate("percent", (each) => each.cpuSeconds * 100),
    },
    memory: {
      assignedBytes: sample.memoryBytes,
      ...(sample.usedMemoryBytes === undefined ? {} : { usedBytes: sample.usedMemoryBytes }),
      ...(sample.residentBytes === undefined ? {} : { residentBytes: sample.residentBytes }),
    },
    disk: {
      ...(sample.diskBytes === undefined ? {} : { capacityBytes: sample.diskBytes }),
      ...(sample.allocatedBytes === undefined ? {} : { allocatedBytes: sample.allocatedBytes }),
      readBytes: sample.readBytes,
      writtenBytes: sample.writtenBytes,
      ...rate("readBytesPerSecond", (each) => each.readBytes),
      ...rate("writtenBytesPerSecond", (each) => each.writtenBytes),
      ...rate("requestsPerSecond", (each) => each.requests),
    },
    network: {
      receivedBytes: sample.receivedBytes,
      sentBytes: sample.sentBytes,
      ...rate("receivedBytesPerSecond", (each) => each.receivedBytes),
      ...rate("sentBytesPerSecond", (each) => each.sentBytes),
    },
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
