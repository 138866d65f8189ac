// `viv top --hosts` and `--groups`: the figures of several VMs in one line, what is used beside what was requested and what there is.

import type { Host, VMGroup } from "@vivarium/api";
import { formatBytes } from "../output/byte-size.ts";
import { textTable } from "../output/text-table.ts";
import type { Row } from "./top.ts";

interface Amounts {
  /** As far as it is known. */
  readonly used: number;
  readonly requested: number;
  /** What there is to be requested, over-commitment included; absent for a group. */
  readonly allocatable?: number;
}

export interface Sums {
  readonly name: string;
  readonly vms: number;
  /** In CPUs. */
  readonly cpu: Amounts;
  readonly memoryBytes: Amounts;
  readonly diskBytes: Amounts;
}

/** Pure. Requested on a host is what runs there, also of others than Vivarium. */
export function hostSums(hosts: readonly Host[], rows: readonly Row[]): readonly Sums[] {
  return hosts.map(({ metadata, status = {} }) => {
    const { allocated, allocatedByOthers, allocatable, storage } = status;
    const own = sumsOf(
      metadata.name,
      rows.filter(({ metrics }) => metrics?.host === metadata.name),
    );
    return {
      ...own,
      cpu: {
        used: own.cpu.used,
        requested: (allocated?.cpus ?? 0) + (allocatedByOthers?.cpus ?? 0),
        ...(allocatable === undefined ? {} : { allocatable: allocatable.cpus }),
      },
      memoryBytes: {
        used: own.memoryBytes.used,
        requested: (allocated?.memoryBytes ?? 0) + (allocatedByOthers?.memoryBytes ?? 0),
        ...(allocatable === undefined ? {} : { allocatable: allocatable.memoryBytes }),
      },
      diskBytes: {
        ...own.diskBytes,
        // What others keep in the pool is taken too.
        used: storage === undefined ? own.diskBytes.used : storage.totalBytes - storage.availableBytes,
        ...(storage === undefined ? {} : { allocatable: storage.totalBytes }),
      },
    };
  });
}

/** Pure. */
export function groupSums(groups: readonly VMGroup[], rows: readonly Row[]): readonly Sums[] {
  return groups.map(({ metadata, status }) => {
    const names = new Set(status?.members?.map(({ name }) => name));
    return sumsOf(
      metadata.name,
      rows.filter(({ key }) => key.namespace === metadata.namespace && names.has(key.name)),
    );
  });
}

function sumsOf(name: string, rows: readonly Row[]): Sums {
  const samples = rows.flatMap(({ metrics }) => metrics?.samples.at(-1) ?? []);
  const running = samples.filter(({ power }) => power !== "off");
  const sum = (of: (sample: (typeof samples)[number]) => number | undefined, all = samples): number =>
    all.reduce((total, sample) => total + (of(sample) ?? 0), 0);
  return {
    name,
    vms: rows.length,
    cpu: { used: sum(({ cpu }) => cpu.percent) / 100, requested: sum(({ cpu }) => cpu.count, running) },
    memoryBytes: {
      used: sum(({ memory }) => memory.residentBytes),
      requested: sum(({ memory }) => memory.assignedBytes, running),
    },
    diskBytes: { used: sum(({ disk }) => disk.allocatedBytes), requested: sum(({ disk }) => disk.capacityBytes) },
  };
}

/** Pure. Per resource used / requested / there. */
export function sumsTable(sums: readonly Sums[]): string {
  const count = (value: number): string => String(Math.round(value * 10) / 10);
  const amounts = ({ used, requested, allocatable }: Amounts, format: (value: number) => string): string =>
    [used, requested, ...(allocatable === undefined ? [] : [allocatable])].map((value) => format(value)).join(" / ");
  const hasAllocatable = sums.some(({ cpu }) => cpu.allocatable !== undefined);
  const what = hasAllocatable ? "used/requested/there" : "used/requested";
  return textTable(
    ["name", "vms", `cpus ${what}`, `memory ${what}`, `disk ${what}`],
    sums.map(({ name, vms, cpu, memoryBytes, diskBytes }) => [
      name,
      String(vms),
      amounts(cpu, count),
      amounts(memoryBytes, formatBytes),
      amounts(diskBytes, formatBytes),
    ]),
  );
}
