// Calls on networks.

import { bool, hyper, int, list, nothing, optional, string, struct, uint, uuid } from "../xdr/codec.ts";
import { network, networkPort } from "./handles.ts";
import type { Network, NetworkPort } from "./handles.ts";
import { remote, slowRemote } from "./procedure.ts";

interface OfNetwork {
  network: Network;
}

const onlyNetwork = struct<OfNetwork>({ network });

export const networkCreate = slowRemote("networkCreate", 39, onlyNetwork, nothing);
export const networkCreateXml = slowRemote(
  "networkCreateXml",
  40,
  struct<{ xml: string }>({ xml: string }),
  onlyNetwork,
);
export const networkDefineXml = remote("networkDefineXml", 41, struct<{ xml: string }>({ xml: string }), onlyNetwork);
export const networkDestroy = slowRemote("networkDestroy", 42, onlyNetwork, nothing);
export const networkGetXmlDesc = remote(
  "networkGetXmlDesc",
  43,
  struct<OfNetwork & { flags: number }>({ network, flags: uint }),
  struct<{ xml: string }>({ xml: string }),
);
export const networkGetAutostart = remote(
  "networkGetAutostart",
  44,
  onlyNetwork,
  struct<{ autostart: boolean }>({ autostart: bool }),
);
export const networkGetBridgeName = remote(
  "networkGetBridgeName",
  45,
  onlyNetwork,
  struct<{ name: string }>({ name: string }),
);
export const networkLookupByName = remote(
  "networkLookupByName",
  46,
  struct<{ name: string }>({ name: string }),
  onlyNetwork,
);
export const networkLookupByUuid = remote("networkLookupByUuid", 47, struct<{ uuid: string }>({ uuid }), onlyNetwork);
export const networkSetAutostart = remote(
  "networkSetAutostart",
  48,
  struct<OfNetwork & { autostart: boolean }>({ network, autostart: bool }),
  nothing,
);
export const networkUndefine = remote("networkUndefine", 49, onlyNetwork, nothing);
export const networkIsActive = remote(
  "networkIsActive",
  152,
  onlyNetwork,
  struct<{ isActive: boolean }>({ isActive: bool }),
);
export const networkIsPersistent = remote(
  "networkIsPersistent",
  153,
  onlyNetwork,
  struct<{ isPersistent: boolean }>({ isPersistent: bool }),
);
/**
 * Up to libvirt 7.1 daemons read the first two numbers the other way round: see DriverFeature
 * NETWORK_UPDATE_HAS_CORRECT_ORDER.
 */
export const networkUpdate = slowRemote(
  "networkUpdate",
  291,
  struct<OfNetwork & { command: number; section: number; parentIndex: number; xml: string; flags: number }>({
    network,
    command: uint,
    section: uint,
    parentIndex: int,
    xml: string,
    flags: uint,
  }),
  nothing,
);

/** libvirt 5.5. */
export const networkListAllPorts = remote(
  "networkListAllPorts",
  404,
  struct<OfNetwork & { needResults: number; flags: number }>({ network, needResults: int, flags: uint }),
  struct<{ ports: readonly NetworkPort[]; count: number }>({ ports: list(networkPort, 16_384), count: uint }),
);

export interface DhcpLease {
  /** The bridge. */
  readonly interface: string;
  /** Seconds since 1970. */
  readonly expiryTimeSeconds: number;
  /** IpAddressType. */
  readonly type: number;
  readonly mac: string | undefined;
  readonly iaid: string | undefined;
  readonly address: string;
  /** Length of the network prefix in bits. */
  readonly prefix: number;
  readonly hostname: string | undefined;
  readonly clientId: string | undefined;
}

export const networkGetDhcpLeases = remote(
  "networkGetDhcpLeases",
  341,
  struct<OfNetwork & { mac: string | undefined; needResults: number; flags: number }>({
    network,
    mac: optional(string),
    needResults: int,
    flags: uint,
  }),
  struct<{ leases: readonly DhcpLease[]; count: number }>({
    leases: list(
      struct<DhcpLease>({
        interface: string,
        expiryTimeSeconds: hyper,
        type: int,
        mac: optional(string),
        iaid: optional(string),
        address: string,
        prefix: uint,
        hostname: optional(string),
        clientId: optional(string),
      }),
      65_536,
    ),
    count: uint,
  }),
);
