// Calls of the QEMU program (src/remote/qemu_protocol.x), which shares the connection.

import { int, optional, string, struct, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { agentQemu } from "./procedure.ts";

export const qemuDomainAgentCommand = agentQemu(
  "qemuDomainAgentCommand",
  3,
  struct<{ domain: Domain; command: string; timeout: number; flags: number }>({
    domain,
    command: string,
    timeout: int,
    flags: uint,
  }),
  struct<{ result: string | undefined }>({ result: optional(string) }),
);
