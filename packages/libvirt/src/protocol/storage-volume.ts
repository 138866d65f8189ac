// Calls on storage volumes.

import { int, nothing, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { storagePool, storageVolume } from "./handles.ts";
import type { StoragePool, StorageVolume } from "./handles.ts";
import { copyRemote, remote, slowRemote } from "./procedure.ts";

interface OfVolume {
  volume: StorageVolume;
}

const onlyVolume = struct<OfVolume>({ volume: storageVolume });
const volumeAndFlags = struct<OfVolume & { flags: number }>({ volume: storageVolume, flags: uint });
const info = struct<{ type: number; capacityBytes: number; allocationBytes: number }>({
  type: int,
  capacityBytes: uhyper,
  allocationBytes: uhyper,
});
const transfer = struct<OfVolume & { offset: number; length: number; flags: number }>({
  volume: storageVolume,
  offset: uhyper,
  length: uhyper,
  flags: uint,
});

export const storageVolCreateXml = slowRemote(
  "storageVolCreateXml",
  93,
  struct<{ pool: StoragePool; xml: string; flags: number }>({ pool: storagePool, xml: string, flags: uint }),
  onlyVolume,
);
export const storageVolDelete = slowRemote("storageVolDelete", 94, volumeAndFlags, nothing);
export const storageVolLookupByName = remote(
  "storageVolLookupByName",
  95,
  struct<{ pool: StoragePool; name: string }>({ pool: storagePool, name: string }),
  onlyVolume,
);
export const storageVolLookupByKey = remote(
  "storageVolLookupByKey",
  96,
  struct<{ key: string }>({ key: string }),
  onlyVolume,
);
export const storageVolLookupByPath = remote(
  "storageVolLookupByPath",
  97,
  struct<{ path: string }>({ path: string }),
  onlyVolume,
);
export const storageVolGetInfo = remote("storageVolGetInfo", 98, onlyVolume, info);
export const storageVolGetXmlDesc = remote(
  "storageVolGetXmlDesc",
  99,
  volumeAndFlags,
  struct<{ xml: string }>({ xml: string }),
);
export const storageVolGetPath = remote(
  "storageVolGetPath",
  100,
  onlyVolume,
  struct<{ path: string }>({ path: string }),
);
export const storageVolCreateXmlFrom = copyRemote(
  "storageVolCreateXmlFrom",
  125,
  struct<{ pool: StoragePool; xml: string; from: StorageVolume; flags: number }>({
    pool: storagePool,
    xml: string,
    from: storageVolume,
    flags: uint,
  }),
  onlyVolume,
);
export const storageVolWipe = copyRemote("storageVolWipe", 165, volumeAndFlags, nothing);
export const storageVolUpload = remote("storageVolUpload", 208, transfer, nothing);
export const storageVolDownload = remote("storageVolDownload", 209, transfer, nothing);
export const storageVolWipePattern = copyRemote(
  "storageVolWipePattern",
  259,
  struct<OfVolume & { algorithm: number; flags: number }>({ volume: storageVolume, algorithm: uint, flags: uint }),
  nothing,
);
export const storageVolResize = slowRemote(
  "storageVolResize",
  260,
  struct<OfVolume & { capacity: number; flags: number }>({ volume: storageVolume, capacity: uhyper, flags: uint }),
  nothing,
);
export const storageVolGetInfoFlags = remote("storageVolGetInfoFlags", 378, volumeAndFlags, info);
