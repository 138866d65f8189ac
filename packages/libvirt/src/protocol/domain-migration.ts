// Calls that move a running domain to another host: the five steps of migration protocol 3, and its knobs.
// Only `perform` moves data. The steps around it must not wait behind other copies: the guest stands still meanwhile.

import { bool, bytes, nothing, optional, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { copyRemote, queryRemote, slowRemote } from "./procedure.ts";
import { typedParams } from "./typed-param.ts";
import type { TypedParam } from "./typed-param.ts";

interface OfDomain {
  domain: Domain;
}
interface WithParams {
  params: readonly TypedParam[];
}
/** What one daemon tells the other through us; opaque. */
interface WithCookieIn {
  cookieIn: Uint8Array;
}

const cookie = bytes(4 * 1024 * 1024);
const params = typedParams(64);

export const domainMigrateBegin3Params = slowRemote(
  "domainMigrateBegin3Params",
  302,
  struct<OfDomain & WithParams & { flags: number }>({ domain, params, flags: uint }),
  struct<{ cookieOut: Uint8Array; xml: string }>({ cookieOut: cookie, xml: string }),
);
export const domainMigratePrepare3Params = slowRemote(
  "domainMigratePrepare3Params",
  303,
  struct<WithParams & WithCookieIn & { flags: number }>({ params, cookieIn: cookie, flags: uint }),
  struct<{ cookieOut: Uint8Array; uriOut: string | undefined }>({ cookieOut: cookie, uriOut: optional(string) }),
);
export const domainMigratePerform3Params = copyRemote(
  "domainMigratePerform3Params",
  305,
  struct<OfDomain & { destinationUri: string | undefined } & WithParams & WithCookieIn & { flags: number }>({
    domain,
    destinationUri: optional(string),
    params,
    cookieIn: cookie,
    flags: uint,
  }),
  struct<{ cookieOut: Uint8Array }>({ cookieOut: cookie }),
);
export const domainMigrateFinish3Params = slowRemote(
  "domainMigrateFinish3Params",
  306,
  struct<WithParams & WithCookieIn & { flags: number; isCancelled: boolean }>({
    params,
    cookieIn: cookie,
    flags: uint,
    isCancelled: bool,
  }),
  struct<OfDomain & { cookieOut: Uint8Array }>({ domain, cookieOut: cookie }),
);
export const domainMigrateConfirm3Params = slowRemote(
  "domainMigrateConfirm3Params",
  307,
  struct<OfDomain & WithParams & WithCookieIn & { flags: number; isCancelled: boolean }>({
    domain,
    params,
    cookieIn: cookie,
    flags: uint,
    isCancelled: bool,
  }),
  nothing,
);
export const domainMigrateSetMaxDowntime = queryRemote(
  "domainMigrateSetMaxDowntime",
  166,
  struct<OfDomain & { downtimeMs: number; flags: number }>({ domain, downtimeMs: uhyper, flags: uint }),
  nothing,
);
export const domainMigrateSetMaxSpeed = queryRemote(
  "domainMigrateSetMaxSpeed",
  207,
  struct<OfDomain & { bandwidthMib: number; flags: number }>({ domain, bandwidthMib: uhyper, flags: uint }),
  nothing,
);
export const domainMigrateStartPostCopy = queryRemote(
  "domainMigrateStartPostCopy",
  364,
  struct<OfDomain & { flags: number }>({ domain, flags: uint }),
  nothing,
);
