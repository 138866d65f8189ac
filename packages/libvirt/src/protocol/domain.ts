// Calls on domains.

import { bigUhyper, bool, int, list, nothing, optional, string, struct, uhyper, uint, uuid } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { agentRemote, remote, slowRemote } from "./procedure.ts";

interface OfDomain {
  domain: Domain;
}

interface OfDomainWithFlags extends OfDomain {
  flags: number;
}

const onlyDomain = struct<OfDomain>({ domain });
const domainAndFlags = struct<OfDomainWithFlags>({ domain, flags: uint });
const xmlAndFlags = struct<{ xml: string; flags: number }>({ xml: string, flags: uint });
const xmlRet = struct<{ xml: string }>({ xml: string });

export const domainCreateXml = slowRemote("domainCreateXml", 10, xmlAndFlags, onlyDomain);
export const domainGetXmlDesc = remote("domainGetXmlDesc", 14, domainAndFlags, xmlRet);
export const domainGetAutostart = remote(
  "domainGetAutostart",
  15,
  onlyDomain,
  struct<{ autostart: boolean }>({ autostart: bool }),
);
export const domainGetInfo = remote(
  "domainGetInfo",
  16,
  onlyDomain,
  struct<{ state: number; maxMemoryKib: number; memoryKib: number; cpus: number; cpuTimeNs: bigint }>({
    state: uint,
    maxMemoryKib: uhyper,
    memoryKib: uhyper,
    cpus: uint,
    cpuTimeNs: bigUhyper,
  }),
);
export const domainLookupByName = remote(
  "domainLookupByName",
  23,
  struct<{ name: string }>({ name: string }),
  onlyDomain,
);
export const domainLookupByUuid = remote("domainLookupByUuid", 24, struct<{ uuid: string }>({ uuid }), onlyDomain);
export const domainReboot = agentRemote("domainReboot", 27, domainAndFlags, nothing);
export const domainResume = slowRemote("domainResume", 28, onlyDomain, nothing);
export const domainSetAutostart = remote(
  "domainSetAutostart",
  29,
  struct<OfDomain & { autostart: boolean }>({ domain, autostart: bool }),
  nothing,
);
export const domainSuspend = slowRemote("domainSuspend", 34, onlyDomain, nothing);
export const domainIsActive = remote(
  "domainIsActive",
  150,
  onlyDomain,
  struct<{ isActive: boolean }>({ isActive: bool }),
);
export const domainIsPersistent = remote(
  "domainIsPersistent",
  151,
  onlyDomain,
  struct<{ isPersistent: boolean }>({ isPersistent: bool }),
);
export const domainCreateWithFlags = slowRemote("domainCreateWithFlags", 196, domainAndFlags, onlyDomain);
export const domainIsUpdated = remote(
  "domainIsUpdated",
  202,
  onlyDomain,
  struct<{ isUpdated: boolean }>({ isUpdated: bool }),
);
export const domainOpenConsole = remote(
  "domainOpenConsole",
  201,
  struct<OfDomain & { device: string | undefined; flags: number }>({ domain, device: optional(string), flags: uint }),
  nothing,
);
export const domainScreenshot = remote(
  "domainScreenshot",
  211,
  struct<OfDomain & { screen: number; flags: number }>({ domain, screen: uint, flags: uint }),
  struct<{ mime: string | undefined }>({ mime: optional(string) }),
);
export const domainGetState = remote(
  "domainGetState",
  212,
  domainAndFlags,
  struct<{ state: number; reason: number }>({ state: int, reason: int }),
);
export const domainUndefineFlags = remote("domainUndefineFlags", 231, domainAndFlags, nothing);
export const domainDestroyFlags = slowRemote("domainDestroyFlags", 234, domainAndFlags, nothing);
export const domainReset = slowRemote("domainReset", 245, domainAndFlags, nothing);
export const domainShutdownFlags = agentRemote("domainShutdownFlags", 258, domainAndFlags, nothing);
export const domainSetMetadata = remote(
  "domainSetMetadata",
  264,
  struct<
    OfDomain & {
      type: number;
      metadata: string | undefined;
      key: string | undefined;
      uri: string | undefined;
      flags: number;
    }
  >({ domain, type: int, metadata: optional(string), key: optional(string), uri: optional(string), flags: uint }),
  nothing,
);
export const domainGetMetadata = remote(
  "domainGetMetadata",
  265,
  struct<OfDomain & { type: number; uri: string | undefined; flags: number }>({
    domain,
    type: int,
    uri: optional(string),
    flags: uint,
  }),
  struct<{ metadata: string }>({ metadata: string }),
);
export const domainDefineXmlFlags = slowRemote("domainDefineXmlFlags", 350, xmlAndFlags, onlyDomain);

export const domainRename = remote(
  "domainRename",
  358,
  struct<OfDomain & { name: string | undefined; flags: number }>({ domain, name: optional(string), flags: uint }),
  struct<{ code: number }>({ code: int }),
);

export interface DomainAddress {
  /** IpAddressType. */
  readonly type: number;
  readonly address: string;
  /** Length of the network prefix in bits. */
  readonly prefix: number;
}

export interface DomainInterface {
  /** As the source names it: the guest's own name from the agent, the host's tap device else. */
  readonly name: string;
  readonly mac: string | undefined;
  readonly addresses: readonly DomainAddress[];
}

export const domainInterfaceAddresses = remote(
  "domainInterfaceAddresses",
  353,
  struct<OfDomain & { source: number; flags: number }>({ domain, source: uint, flags: uint }),
  struct<{ interfaces: readonly DomainInterface[] }>({
    interfaces: list(
      struct<DomainInterface>({
        name: string,
        mac: optional(string),
        addresses: list(struct<DomainAddress>({ type: int, address: string, prefix: uint }), 2048),
      }),
      2048,
    ),
  }),
);

/** The same call, for when it asks the guest agent. */
export const domainInterfaceAddressesOfAgent: typeof domainInterfaceAddresses = {
  ...domainInterfaceAddresses,
  lane: "agent",
};
