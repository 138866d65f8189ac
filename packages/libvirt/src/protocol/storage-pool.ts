// Calls on storage pools.

import { bool, int, nothing, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { listAllRet, storagePool, storageVolume } from "./handles.ts";
import type { StoragePool } from "./handles.ts";
import { remote, slowRemote } from "./procedure.ts";

interface OfPool {
  pool: StoragePool;
}

const onlyPool = struct<OfPool>({ pool: storagePool });
const poolAndFlags = struct<OfPool & { flags: number }>({ pool: storagePool, flags: uint });

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
export const storagePoolListAllVolumes = remote(
  "storagePoolListAllVolumes",
  282,
  struct<OfPool & { needResults: number; flags: number }>({ pool: storagePool, needResults: int, flags: uint }),
  listAllRet(storageVolume, listMax),
);
