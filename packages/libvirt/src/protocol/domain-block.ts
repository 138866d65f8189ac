// Calls on the disks of a domain: sizes, limits, figures, and the jobs that move their data.

import { bool, bytes, hyper, int, nothing, optional, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { queryRemote, remote, slowRemote } from "./procedure.ts";
import type { TypedParam } from "./typed-param.ts";
import { typedParams } from "./typed-param.ts";

interface OfDisk {
  domain: Domain;
  /** Its target, for example `vda`, or the path of its source. */
  disk: string;
}

const ioTuneMax = 32;
const blockStatsMax = 16;
const blockCopyMax = 16;
const peekMaxBytes = 4 * 1024 * 1024;

const diskAndFlags = struct<OfDisk & { flags: number }>({ domain, disk: string, flags: uint });
const diskBandwidthAndFlags = struct<OfDisk & { bandwidth: number; flags: number }>({
  domain,
  disk: string,
  bandwidth: uhyper,
  flags: uint,
});

export const domainBlockStats = queryRemote(
  "domainBlockStats",
  64,
  struct<OfDisk>({ domain, disk: string }),
  struct<{ readRequests: number; readBytes: number; writeRequests: number; writeBytes: number; errors: number }>({
    readRequests: hyper,
    readBytes: hyper,
    writeRequests: hyper,
    writeBytes: hyper,
    errors: hyper,
  }),
);
export const domainBlockPeek = queryRemote(
  "domainBlockPeek",
  103,
  struct<OfDisk & { offset: number; size: number; flags: number }>({
    domain,
    disk: string,
    offset: uhyper,
    size: uint,
    flags: uint,
  }),
  struct<{ bytes: Uint8Array }>({ bytes: bytes(peekMaxBytes) }),
);
export const domainGetBlockInfo = queryRemote(
  "domainGetBlockInfo",
  194,
  diskAndFlags,
  struct<{ allocationBytes: number; capacityBytes: number; physicalBytes: number }>({
    allocationBytes: uhyper,
    capacityBytes: uhyper,
    physicalBytes: uhyper,
  }),
);
export const domainBlockJobAbort = slowRemote("domainBlockJobAbort", 237, diskAndFlags, nothing);
export const domainGetBlockJobInfo = queryRemote(
  "domainGetBlockJobInfo",
  238,
  diskAndFlags,
  struct<{ isFound: boolean; type: number; bandwidth: number; current: number; end: number }>({
    isFound: bool,
    type: int,
    bandwidth: uhyper,
    current: uhyper,
    end: uhyper,
  }),
);
export const domainBlockJobSetSpeed = slowRemote("domainBlockJobSetSpeed", 239, diskBandwidthAndFlags, nothing);
export const domainBlockPull = slowRemote("domainBlockPull", 240, diskBandwidthAndFlags, nothing);
/** Asked with count 0 it tells how many there are. */
export const domainBlockStatsFlags = queryRemote(
  "domainBlockStatsFlags",
  243,
  struct<OfDisk & { count: number; flags: number }>({ domain, disk: string, count: int, flags: uint }),
  struct<{ params: readonly TypedParam[]; count: number }>({ params: typedParams(blockStatsMax), count: int }),
);
export const domainBlockResize = slowRemote(
  "domainBlockResize",
  251,
  struct<OfDisk & { size: number; flags: number }>({ domain, disk: string, size: uhyper, flags: uint }),
  nothing,
);
export const domainSetBlockIoTune = slowRemote(
  "domainSetBlockIoTune",
  252,
  struct<OfDisk & { params: readonly TypedParam[]; flags: number }>({
    domain,
    disk: string,
    params: typedParams(ioTuneMax),
    flags: uint,
  }),
  nothing,
);
/** Asked with count 0 it tells how many there are. */
export const domainGetBlockIoTune = queryRemote(
  "domainGetBlockIoTune",
  253,
  struct<{ domain: Domain; disk: string | undefined; count: number; flags: number }>({
    domain,
    disk: optional(string),
    count: int,
    flags: uint,
  }),
  struct<{ params: readonly TypedParam[]; count: number }>({ params: typedParams(ioTuneMax), count: int }),
);
export const domainBlockRebase = slowRemote(
  "domainBlockRebase",
  266,
  struct<OfDisk & { base: string | undefined; bandwidth: number; flags: number }>({
    domain,
    disk: string,
    base: optional(string),
    bandwidth: uhyper,
    flags: uint,
  }),
  nothing,
);
export const domainBlockCommit = slowRemote(
  "domainBlockCommit",
  290,
  struct<OfDisk & { base: string | undefined; top: string | undefined; bandwidth: number; flags: number }>({
    domain,
    disk: string,
    base: optional(string),
    top: optional(string),
    bandwidth: uhyper,
    flags: uint,
  }),
  nothing,
);
export const domainBlockCopy = slowRemote(
  "domainBlockCopy",
  345,
  struct<OfDisk & { xml: string; params: readonly TypedParam[]; flags: number }>({
    domain,
    disk: string,
    xml: string,
    params: typedParams(blockCopyMax),
    flags: uint,
  }),
  nothing,
);
export const domainSetBlockThreshold = remote(
  "domainSetBlockThreshold",
  386,
  struct<{ domain: Domain; device: string; threshold: number; flags: number }>({
    domain,
    device: string,
    threshold: uhyper,
    flags: uint,
  }),
  nothing,
);
