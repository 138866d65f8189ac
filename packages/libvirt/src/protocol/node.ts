// Calls on the host.

import { chars, int, list, nothing, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { remote } from "./procedure.ts";

export interface NodeInfoPayload {
  model: string;
  memoryKib: number;
  cpus: number;
  mhz: number;
  nodes: number;
  sockets: number;
  cores: number;
  threads: number;
}

export const nodeGetInfo = remote(
  "nodeGetInfo",
  6,
  nothing,
  struct<NodeInfoPayload>({
    model: chars(32),
    memoryKib: uhyper,
    cpus: int,
    mhz: int,
    nodes: int,
    sockets: int,
    cores: int,
    threads: int,
  }),
);

export const nodeGetFreeMemory = remote(
  "nodeGetFreeMemory",
  102,
  nothing,
  struct<{ freeBytes: number }>({ freeBytes: uhyper }),
);

export interface CpuStat {
  field: string;
  value: number;
}

/** Asked with count 0 it tells how many there are; only that count is accepted then. */
export const nodeGetCpuStats = remote(
  "nodeGetCpuStats",
  227,
  struct<{ cpu: number; count: number; flags: number }>({ cpu: int, count: int, flags: uint }),
  struct<{ stats: readonly CpuStat[]; count: number }>({
    stats: list(struct<CpuStat>({ field: string, value: uhyper }), 16),
    count: int,
  }),
);

export interface MemoryStat {
  field: string;
  valueKib: number;
}

/** Asked with count 0 it tells how many there are; only that count is accepted then. */
export const nodeGetMemoryStats = remote(
  "nodeGetMemoryStats",
  228,
  struct<{ count: number; cell: number; flags: number }>({ count: int, cell: int, flags: uint }),
  struct<{ stats: readonly MemoryStat[]; count: number }>({
    stats: list(struct<MemoryStat>({ field: string, valueKib: uhyper }), 16),
    count: int,
  }),
);
