// What the protocol names objects by. A handle holds no connection: it stays good across reconnects.

import { int, list, string, struct, uint, uuid } from "../xdr/codec.ts";
import type { Codec } from "../xdr/codec.ts";

export interface Domain {
  readonly name: string;
  /** Lower case, with dashes. */
  readonly uuid: string;
  /** Of the running domain; -1 when it was off at the time of the answer. */
  readonly id: number;
}

export interface Network {
  readonly name: string;
  readonly uuid: string;
}

/** An interface of a domain that is plugged in. */
export interface NetworkPort {
  readonly network: Network;
  /** As the domain has it in `<source portid>`. */
  readonly uuid: string;
}

export interface StoragePool {
  readonly name: string;
  readonly uuid: string;
}

export interface StorageVolume {
  /** Name of the pool. */
  readonly pool: string;
  readonly name: string;
  /** Unique on the host; for files it is the path. */
  readonly key: string;
}

export interface DomainSnapshot {
  readonly name: string;
  readonly domain: Domain;
}

export interface DomainCheckpoint {
  readonly name: string;
  readonly domain: Domain;
}

export interface NwFilter {
  readonly name: string;
  readonly uuid: string;
}

/** A filter at work on a port of a domain. */
export interface NwFilterBinding {
  /** Host device of the port, for example `vnet0`. */
  readonly portDevice: string;
  readonly filterName: string;
}

export interface Secret {
  readonly uuid: string;
  /** SecretUsageType. */
  readonly usageType: number;
  readonly usageId: string;
}

export interface NodeDevice {
  /** For example `pci_0000_00_1f_2`. */
  readonly name: string;
}

/** A network interface of the host. */
export interface HostInterface {
  readonly name: string;
  readonly mac: string;
}

export const domain: Codec<Domain> = struct<Domain>({ name: string, uuid, id: int });
export const network: Codec<Network> = struct<Network>({ name: string, uuid });
export const networkPort: Codec<NetworkPort> = struct<NetworkPort>({ network, uuid });
export const storagePool: Codec<StoragePool> = struct<StoragePool>({ name: string, uuid });
export const storageVolume: Codec<StorageVolume> = struct<StorageVolume>({ pool: string, name: string, key: string });
export const snapshot: Codec<DomainSnapshot> = struct<DomainSnapshot>({ name: string, domain });
export const checkpoint: Codec<DomainCheckpoint> = struct<DomainCheckpoint>({ name: string, domain });
export const nwfilter: Codec<NwFilter> = struct<NwFilter>({ name: string, uuid });
export const nwfilterBinding: Codec<NwFilterBinding> = struct<NwFilterBinding>({
  portDevice: string,
  filterName: string,
});
export const secret: Codec<Secret> = struct<Secret>({ uuid, usageType: int, usageId: string });
export const nodeDevice: Codec<NodeDevice> = struct<NodeDevice>({ name: string });
export const hostInterface: Codec<HostInterface> = struct<HostInterface>({ name: string, mac: string });

/** Arguments of every `…ListAll…`: with needResults 0 the daemon would only count. */
export const listAllArgs = struct<{ needResults: number; flags: number }>({ needResults: int, flags: uint });

/** Result of every `…ListAll…`: the handles, then their number once more. */
export function listAllRet<T>(codec: Codec<T>, max: number): Codec<{ items: readonly T[]; count: number }> {
  return struct<{ items: readonly T[]; count: number }>({ items: list(codec, max), count: uint });
}
