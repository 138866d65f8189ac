// Calls on the connection itself. Numbers and structures: src/remote/remote_protocol.x of libvirt.

import { bool, charBytes, int, list, nothing, optional, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain, listAllArgs, listAllRet, network, storagePool } from "./handles.ts";
import { remote, slowRemote } from "./procedure.ts";

/** REMOTE_*_LIST_MAX; newer daemons send more than old ones did, so the largest is allowed. */
export const listMax = 16_384;

export const authList = remote("authList", 66, nothing, struct<{ types: readonly number[] }>({ types: list(int, 20) }));
/** `char data<…>`, with NULL told apart from empty. */
const saslData = charBytes(65_536);
interface SaslAnswer {
  isComplete: boolean;
  isNull: boolean;
  data: Buffer;
}
const saslAnswer = struct<SaslAnswer>({ isComplete: bool, isNull: bool, data: saslData });
export const authSaslInit = remote("authSaslInit", 67, nothing, struct<{ mechanisms: string }>({ mechanisms: string }));
export const authSaslStart = remote(
  "authSaslStart",
  68,
  struct<{ mechanism: string; isNull: boolean; data: Buffer }>({ mechanism: string, isNull: bool, data: saslData }),
  saslAnswer,
);
export const authSaslStep = remote(
  "authSaslStep",
  69,
  struct<{ isNull: boolean; data: Buffer }>({ isNull: bool, data: saslData }),
  saslAnswer,
);
export const authPolkit = remote("authPolkit", 70, nothing, struct<{ complete: number }>({ complete: int }));

export const connectOpen = remote(
  "connectOpen",
  1,
  struct<{ name: string | undefined; flags: number }>({ name: optional(string), flags: uint }),
  nothing,
);
export const connectGetType = remote("connectGetType", 3, nothing, struct<{ type: string }>({ type: string }));
export const connectGetVersion = remote(
  "connectGetVersion",
  4,
  nothing,
  struct<{ version: number }>({ version: uhyper }),
);
export const connectGetCapabilities = slowRemote(
  "connectGetCapabilities",
  7,
  nothing,
  struct<{ capabilities: string }>({ capabilities: string }),
);
export const connectGetHostname = remote(
  "connectGetHostname",
  59,
  nothing,
  struct<{ hostname: string }>({ hostname: string }),
);
export const connectSupportsFeature = remote(
  "connectSupportsFeature",
  60,
  struct<{ feature: number }>({ feature: int }),
  struct<{ isSupported: boolean }>({ isSupported: bool }),
);
export const connectGetUri = remote("connectGetUri", 110, nothing, struct<{ uri: string }>({ uri: string }));
export const connectGetLibVersion = remote(
  "connectGetLibVersion",
  157,
  nothing,
  struct<{ version: number }>({ version: uhyper }),
);
export const connectCompareHypervisorCpu = slowRemote(
  "connectCompareHypervisorCpu",
  393,
  struct<{
    emulator: string | undefined;
    arch: string | undefined;
    machine: string | undefined;
    virtType: string | undefined;
    cpuXml: string;
    flags: number;
  }>({
    emulator: optional(string),
    arch: optional(string),
    machine: optional(string),
    virtType: optional(string),
    cpuXml: string,
    flags: uint,
  }),
  struct<{ result: number }>({ result: int }),
);
export const connectGetDomainCapabilities = slowRemote(
  "connectGetDomainCapabilities",
  342,
  struct<{
    emulator: string | undefined;
    arch: string | undefined;
    machine: string | undefined;
    virtType: string | undefined;
    flags: number;
  }>({
    emulator: optional(string),
    arch: optional(string),
    machine: optional(string),
    virtType: optional(string),
    flags: uint,
  }),
  struct<{ capabilities: string }>({ capabilities: string }),
);

export const connectListAllDomains = remote("connectListAllDomains", 273, listAllArgs, listAllRet(domain, listMax));
export const connectListAllNetworks = remote("connectListAllNetworks", 283, listAllArgs, listAllRet(network, listMax));
export const connectListAllStoragePools = remote(
  "connectListAllStoragePools",
  281,
  listAllArgs,
  listAllRet(storagePool, listMax),
);
