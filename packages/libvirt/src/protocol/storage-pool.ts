// Calls on storage pools.

import { bool, int, nothing, optional, string, struct, uhyper, uint, uuid } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { listAllRet, storagePool, storageVolume } from "./handles.ts";
import type { StoragePool, StorageVolume } from "./handles.ts";
import { remote, slowRemote } from "./procedure.ts";

interface OfPool {
  pool: StoragePool;
}

const onlyPool = struct<OfPool>({ pool: storagePool });
const poolAndFlags = struct<OfPool & { flags: number }>({ pool: storagePool, flags: uint });

export const connectFindStoragePoolSources = slowRemote(
  "connectFindStoragePoolSources",
  75,
  struct<{ type: string; source: string | undefined; flags: number }>({
    type: string,
    source: optional(string),
    flags: uint,
  }),
  struct<{ xml: string }>({ xml: string }),
);
export const storagePoolCreateXml = slowRemote(
  "storagePoolCreateXml",
  76,
  struct<{ xml: string; flags: number }>({ xml: string, flags: uint }),
  onlyPool,
);
export const storagePoolDefineXml = remote(
  "storagePoolDefineXml",
  77,
  struct<{ xml: string; flags: number }>({ xml: string, flags: uint }),
  onlyPool,
);
export const storagePoolCreate = slowRemote("storagePoolCreate", 78, poolAndFlags, nothing);
export const storagePoolBuild = slowRemote("storagePoolBuild", 79, poolAndFlags, nothing);
export const storagePoolDestroy = slowRemote("storagePoolDestroy", 80, onlyPool, nothing);
export const storagePoolDelete = slowRemote("storagePoolDelete", 81, poolAndFlags, nothing);
export const storagePoolUndefine = remote("storagePoolUndefine", 82, onlyPool, nothing);
export const storagePoolRefresh = slowRemote("storagePoolRefresh", 83, poolAndFlags, nothing);
export const storagePoolLookupByName = remote(
  "storagePoolLookupByName",
  84,
  struct<{ name: string }>({ name: string }),
  onlyPool,
);
export const storagePoolLookupByUuid = remote(
  "storagePoolLookupByUuid",
  85,
  struct<{ uuid: string }>({ uuid }),
  onlyPool,
);
export const storagePoolLookupByVolume = remote(
  "storagePoolLookupByVolume",
  86,
  struct<{ volume: StorageVolume }>({ volume: storageVolume }),
  onlyPool,
);
export const storagePoolGetInfo = remote(
  "storagePoolGetInfo",
  87,
  onlyPool,
  struct<{ state: number; capacityBytes: number; allocationBytes: number; availableBytes: number }>({
    state: uint,
    capacityBytes: uhyper,
    allocationBytes: uhyper,
    availableBytes: uhyper,
  }),
);
export const storagePoolGetXmlDesc = remote(
  "storagePoolGetXmlDesc",
  88,
  poolAndFlags,
  struct<{ xml: string }>({ xml: string }),
);
export const storagePoolGetAutostart = remote(
  "storagePoolGetAutostart",
  89,
  onlyPool,
  struct<{ autostart: boolean }>({ autostart: bool }),
);
export const storagePoolSetAutostart = remote(
  "storagePoolSetAutostart",
  90,
  struct<OfPool & { autostart: boolean }>({ pool: storagePool, autostart: bool }),
  nothing,
);
export const storagePoolIsActive = remote(
  "storagePoolIsActive",
  154,
  onlyPool,
  struct<{ isActive: boolean }>({ isActive: bool }),
);
export const storagePoolIsPersistent = remote(
  "storagePoolIsPersistent",
  155,
  onlyPool,
  struct<{ isPersistent: boolean }>({ isPersistent: bool }),
);
export const storagePoolListAllVolumes = remote(
  "storagePoolListAllVolumes",
  282,
  struct<OfPool & { needResults: number; flags: number }>({ pool: storagePool, needResults: int, flags: uint }),
  listAllRet(storageVolume, listMax),
);
/** Since libvirt 5.2. */
export const connectGetStoragePoolCapabilities = remote(
  "connectGetStoragePoolCapabilities",
  403,
  struct<{ flags: number }>({ flags: uint }),
  struct<{ capabilities: string }>({ capabilities: string }),
);
