// Calls on what the host has: its devices and its network interfaces.

import { bool, optional, string, struct, uint } from "../xdr/codec.ts";
import { hostInterface, listAllArgs, listAllRet, nodeDevice } from "./handles.ts";
import type { HostInterface } from "./handles.ts";
import { listMax } from "./connect.ts";
import { remote, slowRemote } from "./procedure.ts";

const nodeDeviceListMax = 65_536;
const xmlRet = struct<{ xml: string }>({ xml: string });

export const nodeDeviceLookupByName = remote(
  "nodeDeviceLookupByName",
  113,
  struct<{ name: string }>({ name: string }),
  struct<{ device: { readonly name: string } }>({ device: nodeDevice }),
);
export const nodeDeviceGetXmlDesc = remote(
  "nodeDeviceGetXmlDesc",
  114,
  struct<{ name: string; flags: number }>({ name: string, flags: uint }),
  xmlRet,
);
export const nodeDeviceGetParent = remote(
  "nodeDeviceGetParent",
  115,
  struct<{ name: string }>({ name: string }),
  struct<{ parent: string | undefined }>({ parent: optional(string) }),
);
export const connectListAllNodeDevices = remote(
  "connectListAllNodeDevices",
  285,
  listAllArgs,
  listAllRet(nodeDevice, nodeDeviceListMax),
);

export const interfaceLookupByName = slowRemote(
  "interfaceLookupByName",
  128,
  struct<{ name: string }>({ name: string }),
  struct<{ interface: HostInterface }>({ interface: hostInterface }),
);
export const interfaceGetXmlDesc = slowRemote(
  "interfaceGetXmlDesc",
  130,
  struct<{ interface: HostInterface; flags: number }>({ interface: hostInterface, flags: uint }),
  xmlRet,
);
export const interfaceIsActive = slowRemote(
  "interfaceIsActive",
  156,
  struct<{ interface: HostInterface }>({ interface: hostInterface }),
  struct<{ isActive: boolean }>({ isActive: bool }),
);
export const connectListAllInterfaces = slowRemote(
  "connectListAllInterfaces",
  284,
  listAllArgs,
  listAllRet(hostInterface, listMax),
);
