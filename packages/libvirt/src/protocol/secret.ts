// Calls on secrets: passphrases of volumes, keys of iSCSI and Ceph, kept by the daemon.

import { bytes, int, nothing, string, struct, uint, uuid } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { listAllArgs, listAllRet, secret } from "./handles.ts";
import type { Secret } from "./handles.ts";
import { remote } from "./procedure.ts";

const onlySecret = struct<{ secret: Secret }>({ secret });
const value = bytes(65_536);

export const secretLookupByUuid = remote("secretLookupByUuid", 141, struct<{ uuid: string }>({ uuid }), onlySecret);
export const secretDefineXml = remote(
  "secretDefineXml",
  142,
  struct<{ xml: string; flags: number }>({ xml: string, flags: uint }),
  onlySecret,
);
export const secretGetXmlDesc = remote(
  "secretGetXmlDesc",
  143,
  struct<{ secret: Secret; flags: number }>({ secret, flags: uint }),
  struct<{ xml: string }>({ xml: string }),
);
export const secretSetValue = remote(
  "secretSetValue",
  144,
  struct<{ secret: Secret; value: Uint8Array; flags: number }>({ secret, value, flags: uint }),
  nothing,
);
export const secretGetValue = remote(
  "secretGetValue",
  145,
  struct<{ secret: Secret; flags: number }>({ secret, flags: uint }),
  struct<{ value: Uint8Array }>({ value }),
);
export const secretUndefine = remote("secretUndefine", 146, onlySecret, nothing);
export const secretLookupByUsage = remote(
  "secretLookupByUsage",
  147,
  struct<{ usageType: number; usageId: string }>({ usageType: int, usageId: string }),
  onlySecret,
);
export const connectListAllSecrets = remote("connectListAllSecrets", 287, listAllArgs, listAllRet(secret, listMax));
