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

export const domain: Codec<Domain> = struct<Domain>({ name: string, uuid, id: int });
export const network: Codec<Network> = struct<Network>({ name: string, uuid });
export const storagePool: Codec<StoragePool> = struct<StoragePool>({ name: string, uuid });
export const storageVolume: Codec<StorageVolume> = struct<StorageVolume>({ pool: string, name: string, key: string });

/** Arguments of every `…ListAll…`: with needResults 0 the daemon would only count. */
export const listAllArgs = struct<{ needResults: number; flags: number }>({ needResults: int, flags: uint });

/** Result of every `…ListAll…`: the handles, then their number once more. */
export function listAllRet<T>(codec: Codec<T>, max: number): Codec<{ items: readonly T[]; count: number }> {
  return struct<{ items: readonly T[]; count: number }>({ items: list(codec, max), count: uint });
}
