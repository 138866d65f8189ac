// An error that libvirt itself reports, or would report for the same argument.

import type { LibvirtErrorCode } from "./error-code.ts";
import type { LibvirtErrorDomain } from "./error-domain.ts";

export interface LibvirtErrorFields {
  readonly code: LibvirtErrorCode;
  /** virErrorNumber as it was sent. */
  readonly number: number;
  /** The part of libvirt that raised it. */
  readonly domain: LibvirtErrorDomain;
  readonly message: string;
  /** The name of the call that was answered so, for example `domainLookupByName`. */
  readonly procedure?: string;
  readonly str1?: string;
  readonly str2?: string;
  readonly str3?: string;
  readonly int1?: number;
  readonly int2?: number;
}

export class LibvirtError extends Error {
  override readonly name = "LibvirtError";
  readonly code: LibvirtErrorCode;
  readonly number: number;
  readonly domain: LibvirtErrorDomain;
  readonly procedure: string | undefined;
  readonly str1: string | undefined;
  readonly str2: string | undefined;
  readonly str3: string | undefined;
  readonly int1: number;
  readonly int2: number;

  constructor(fields: LibvirtErrorFields) {
    super(fields.message);
    this.code = fields.code;
    this.number = fields.number;
    this.domain = fields.domain;
    this.procedure = fields.procedure;
    this.str1 = fields.str1;
    this.str2 = fields.str2;
    this.str3 = fields.str3;
    this.int1 = fields.int1 ?? 0;
    this.int2 = fields.int2 ?? 0;
  }
}

/** An argument that the protocol cannot carry; found before anything is sent. */
export function invalidArgument(message: string): LibvirtError {
  return new LibvirtError({ code: "INVALID_ARG", number: 8, domain: "RPC", message });
}

/** A login that the peer refuses, or does not prove its own side of. */
export function authFailed(found: string): LibvirtError {
  return new LibvirtError({
    code: "AUTH_FAILED",
    number: 45,
    domain: "AUTH",
    message: `Cannot log in to libvirt: ${found}`,
  });
}

/** True when `error` is a LibvirtError with one of these codes. */
export function isLibvirtError(error: unknown, ...codes: readonly LibvirtErrorCode[]): error is LibvirtError {
  return error instanceof LibvirtError && codes.includes(error.code);
}

/** True when this daemon or driver does not have the call at all. */
export function isUnsupportedCall(error: unknown): error is LibvirtError {
  return isLibvirtError(error, "NO_SUPPORT", "UNKNOWN_PROCEDURE");
}
