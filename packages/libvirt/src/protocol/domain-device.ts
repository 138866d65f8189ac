// Calls that change the devices of a domain.

import { nothing, string, struct, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { slowRemote } from "./procedure.ts";

const domainXmlAndFlags = struct<{ domain: Domain; xml: string; flags: number }>({ domain, xml: string, flags: uint });

export const domainAttachDeviceFlags = slowRemote("domainAttachDeviceFlags", 160, domainXmlAndFlags, nothing);
export const domainDetachDeviceFlags = slowRemote("domainDetachDeviceFlags", 161, domainXmlAndFlags, nothing);
export const domainUpdateDeviceFlags = slowRemote("domainUpdateDeviceFlags", 174, domainXmlAndFlags, nothing);
export const domainDetachDeviceAlias = slowRemote(
  "domainDetachDeviceAlias",
  392,
  struct<{ domain: Domain; alias: string; flags: number }>({ domain, alias: string, flags: uint }),
  nothing,
);
