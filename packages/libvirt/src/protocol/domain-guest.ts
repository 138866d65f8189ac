// Calls that ask or act inside the guest. All but sending keys need its agent.

import { hyper, int, list, nothing, optional, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { agentRemote, slowRemote } from "./procedure.ts";
import { typedParams } from "./typed-param.ts";
import type { TypedParam } from "./typed-param.ts";

interface OfDomain {
  domain: Domain;
}

const sendKeyMax = 16;
const mountpointsMax = 256;
const fsInfoMax = 256;
const guestInfoMax = 2048;

const domainAndFlags = struct<OfDomain & { flags: number }>({ domain, flags: uint });
const mountpointsAndFlags = struct<OfDomain & { mountpoints: readonly string[]; flags: number }>({
  domain,
  mountpoints: list(string, mountpointsMax),
  flags: uint,
});
const filesystemsRet = struct<{ filesystems: number }>({ filesystems: int });

export const domainSendKey = slowRemote(
  "domainSendKey",
  226,
  struct<OfDomain & { codeset: number; holdMs: number; keycodes: readonly number[]; flags: number }>({
    domain,
    codeset: uint,
    holdMs: uint,
    keycodes: list(uint, sendKeyMax),
    flags: uint,
  }),
  nothing,
);
export const domainGetHostname = agentRemote(
  "domainGetHostname",
  277,
  domainAndFlags,
  struct<{ hostname: string }>({ hostname: string }),
);
export const domainFsTrim = agentRemote(
  "domainFsTrim",
  294,
  struct<OfDomain & { mountpoint: string | undefined; minimumBytes: number; flags: number }>({
    domain,
    mountpoint: optional(string),
    minimumBytes: uhyper,
    flags: uint,
  }),
  nothing,
);
export const domainFsFreeze = agentRemote("domainFsFreeze", 335, mountpointsAndFlags, filesystemsRet);
export const domainFsThaw = agentRemote("domainFsThaw", 336, mountpointsAndFlags, filesystemsRet);
export const domainGetTime = agentRemote(
  "domainGetTime",
  337,
  domainAndFlags,
  struct<{ seconds: number; nanoseconds: number }>({ seconds: hyper, nanoseconds: uint }),
);
export const domainSetTime = agentRemote(
  "domainSetTime",
  338,
  struct<OfDomain & { seconds: number; nanoseconds: number; flags: number }>({
    domain,
    seconds: hyper,
    nanoseconds: uint,
    flags: uint,
  }),
  nothing,
);

export interface DomainFilesystem {
  readonly mountpoint: string;
  /** As the guest names the device, for example `vda1`. */
  readonly name: string;
  readonly type: string;
  /** Targets of the disks that it lies on, for example `vda`. */
  readonly devices: readonly string[];
}

export const domainGetFsInfo = agentRemote(
  "domainGetFsInfo",
  349,
  domainAndFlags,
  struct<{ filesystems: readonly DomainFilesystem[]; count: number }>({
    filesystems: list(
      struct<DomainFilesystem>({ mountpoint: string, name: string, type: string, devices: list(string, 256) }),
      fsInfoMax,
    ),
    count: uint,
  }),
);
export const domainSetUserPassword = agentRemote(
  "domainSetUserPassword",
  357,
  struct<OfDomain & { user: string | undefined; password: string | undefined; flags: number }>({
    domain,
    user: optional(string),
    password: optional(string),
    flags: uint,
  }),
  nothing,
);
export const domainGetGuestInfo = agentRemote(
  "domainGetGuestInfo",
  418,
  struct<OfDomain & { types: number; flags: number }>({ domain, types: uint, flags: uint }),
  struct<{ params: readonly TypedParam[] }>({ params: typedParams(guestInfoMax) }),
);
