// Calls that tell figures of domains.

import { hyper, int, list, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { queryRemote } from "./procedure.ts";
import { typedParams } from "./typed-param.ts";
import type { TypedParam } from "./typed-param.ts";

const memoryStatsMax = 1024;
const allStatsMax = 262_144;

export const domainInterfaceStats = queryRemote(
  "domainInterfaceStats",
  65,
  struct<{ domain: Domain; device: string }>({ domain, device: string }),
  struct<{
    receivedBytes: number;
    receivedPackets: number;
    receiveErrors: number;
    receiveDrops: number;
    sentBytes: number;
    sentPackets: number;
    sendErrors: number;
    sendDrops: number;
  }>({
    receivedBytes: hyper,
    receivedPackets: hyper,
    receiveErrors: hyper,
    receiveDrops: hyper,
    sentBytes: hyper,
    sentPackets: hyper,
    sendErrors: hyper,
    sendDrops: hyper,
  }),
);

export interface MemoryStatPayload {
  /** virDomainMemoryStatTags. */
  tag: number;
  value: number;
}

export const domainMemoryStats = queryRemote(
  "domainMemoryStats",
  159,
  struct<{ domain: Domain; max: number; flags: number }>({ domain, max: uint, flags: uint }),
  struct<{ stats: readonly MemoryStatPayload[] }>({
    stats: list(struct<MemoryStatPayload>({ tag: int, value: uhyper }), memoryStatsMax),
  }),
);

export interface DomainStatsPayload {
  domain: Domain;
  params: readonly TypedParam[];
}

/** With no domains named it tells of all. */
export const connectGetAllDomainStats = queryRemote(
  "connectGetAllDomainStats",
  344,
  struct<{ domains: readonly Domain[]; stats: number; flags: number }>({
    domains: list(domain, listMax),
    stats: uint,
    flags: uint,
  }),
  struct<{ records: readonly DomainStatsPayload[] }>({
    records: list(struct<DomainStatsPayload>({ domain, params: typedParams(allStatsMax) }), listMax),
  }),
);

export interface DomainDiskError {
  readonly disk: string;
  /** 1: unspecified, 2: no space. */
  readonly error: number;
}

export const domainGetDiskErrors = queryRemote(
  "domainGetDiskErrors",
  263,
  struct<{ domain: Domain; max: number; flags: number }>({ domain, max: uint, flags: uint }),
  struct<{ errors: readonly DomainDiskError[]; count: number }>({
    errors: list(struct<DomainDiskError>({ disk: string, error: int }), 256),
    count: int,
  }),
);
