// Calls on network filters.

import { nothing, string, struct, uint, uuid } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { listAllArgs, listAllRet, nwfilter, nwfilterBinding } from "./handles.ts";
import type { NwFilter } from "./handles.ts";
import { remote } from "./procedure.ts";

const onlyFilter = struct<{ filter: NwFilter }>({ filter: nwfilter });

export const nwfilterLookupByName = remote(
  "nwfilterLookupByName",
  175,
  struct<{ name: string }>({ name: string }),
  onlyFilter,
);
export const nwfilterLookupByUuid = remote("nwfilterLookupByUuid", 176, struct<{ uuid: string }>({ uuid }), onlyFilter);
export const nwfilterGetXmlDesc = remote(
  "nwfilterGetXmlDesc",
  177,
  struct<{ filter: NwFilter; flags: number }>({ filter: nwfilter, flags: uint }),
  struct<{ xml: string }>({ xml: string }),
);
export const nwfilterDefineXml = remote("nwfilterDefineXml", 180, struct<{ xml: string }>({ xml: string }), onlyFilter);
export const nwfilterUndefine = remote("nwfilterUndefine", 181, onlyFilter, nothing);
export const connectListAllNwFilters = remote(
  "connectListAllNwFilters",
  286,
  listAllArgs,
  listAllRet(nwfilter, listMax),
);
export const connectListAllNwFilterBindings = remote(
  "connectListAllNwFilterBindings",
  401,
  listAllArgs,
  listAllRet(nwfilterBinding, listMax),
);
