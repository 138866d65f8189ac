// remote_error: the payload of a reply or stream message with status ERROR.

import { errorCodeOf } from "../errors/error-code.ts";
import { errorDomainOf } from "../errors/error-domain.ts";
import { LibvirtError } from "../errors/libvirt-error.ts";
import { int, optional, string, struct } from "../xdr/codec.ts";
import { XdrReader } from "../xdr/reader.ts";
import { domain, network } from "./handles.ts";
import type { Domain, Network } from "./handles.ts";

interface ErrorPayload {
  code: number;
  domain: number;
  message: string | undefined;
  level: number;
  dom: Domain | undefined;
  str1: string | undefined;
  str2: string | undefined;
  str3: string | undefined;
  int1: number;
  int2: number;
  net: Network | undefined;
}

export const errorPayload = struct<ErrorPayload>({
  code: int,
  domain: int,
  message: optional(string),
  level: int,
  dom: optional(domain),
  str1: optional(string),
  str2: optional(string),
  str3: optional(string),
  int1: int,
  int2: int,
  net: optional(network),
});

const rpcNumber = 39;
const rpcDomain = 7;

/** `isReply`: answers a call, so that number 39 of domain RPC means a procedure that the daemon does not know. */
export function decodeError(payload: Uint8Array, context: { procedure: string; isReply: boolean }): LibvirtError {
  const error = errorPayload.read(new XdrReader(payload));
  const isUnknownProcedure = context.isReply && error.code === rpcNumber && error.domain === rpcDomain;
  return new LibvirtError({
    code: isUnknownProcedure ? "UNKNOWN_PROCEDURE" : errorCodeOf(error.code),
    number: error.code,
    domain: errorDomainOf(error.domain),
    message: `${context.procedure}: ${error.message ?? "libvirt gave no message"}`,
    procedure: context.procedure,
    ...(error.str1 === undefined ? {} : { str1: error.str1 }),
    ...(error.str2 === undefined ? {} : { str2: error.str2 }),
    ...(error.str3 === undefined ? {} : { str3: error.str3 }),
    int1: error.int1,
    int2: error.int2,
  });
}
