// Calls that put a domain's memory on disk and bring it back, and the job that does so.

import { bool, int, nothing, optional, string, struct, uhyper, uint } from "../xdr/codec.ts";
import { domain } from "./handles.ts";
import type { Domain } from "./handles.ts";
import { copyRemote, queryRemote, remote } from "./procedure.ts";
import { typedParams } from "./typed-param.ts";
import type { TypedParam } from "./typed-param.ts";

interface OfDomain {
  domain: Domain;
}

/** The daemon's limit is 64 up to libvirt 9; newer ones may tell more of a job. */
const jobStatsMax = 256;

const onlyDomain = struct<OfDomain>({ domain });
const domainAndFlags = struct<OfDomain & { flags: number }>({ domain, flags: uint });

/** Not behind the calls that it is to end: `query` has a connection of its own. */
export const domainAbortJob = queryRemote("domainAbortJob", 164, onlyDomain, nothing);
export const domainManagedSave = copyRemote("domainManagedSave", 182, domainAndFlags, nothing);
export const domainHasManagedSaveImage = remote(
  "domainHasManagedSaveImage",
  183,
  domainAndFlags,
  struct<{ hasImage: boolean }>({ hasImage: bool }),
);
export const domainManagedSaveRemove = remote("domainManagedSaveRemove", 184, domainAndFlags, nothing);
export const domainSaveFlags = copyRemote(
  "domainSaveFlags",
  232,
  struct<OfDomain & { path: string; xml: string | undefined; flags: number }>({
    domain,
    path: string,
    xml: optional(string),
    flags: uint,
  }),
  nothing,
);
export const domainRestoreFlags = copyRemote(
  "domainRestoreFlags",
  233,
  struct<{ path: string; xml: string | undefined; flags: number }>({
    path: string,
    xml: optional(string),
    flags: uint,
  }),
  nothing,
);
export const domainSaveImageGetXmlDesc = copyRemote(
  "domainSaveImageGetXmlDesc",
  235,
  struct<{ path: string; flags: number }>({ path: string, flags: uint }),
  struct<{ xml: string }>({ xml: string }),
);
export const domainGetJobInfo = queryRemote(
  "domainGetJobInfo",
  163,
  onlyDomain,
  struct<{
    type: number;
    elapsedMs: number;
    remainingMs: number;
    dataTotalBytes: number;
    dataProcessedBytes: number;
    dataRemainingBytes: number;
    memoryTotalBytes: number;
    memoryProcessedBytes: number;
    memoryRemainingBytes: number;
    fileTotalBytes: number;
    fileProcessedBytes: number;
    fileRemainingBytes: number;
  }>({
    type: int,
    elapsedMs: uhyper,
    remainingMs: uhyper,
    dataTotalBytes: uhyper,
    dataProcessedBytes: uhyper,
    dataRemainingBytes: uhyper,
    memoryTotalBytes: uhyper,
    memoryProcessedBytes: uhyper,
    memoryRemainingBytes: uhyper,
    fileTotalBytes: uhyper,
    fileProcessedBytes: uhyper,
    fileRemainingBytes: uhyper,
  }),
);
export const domainGetJobStats = queryRemote(
  "domainGetJobStats",
  298,
  domainAndFlags,
  struct<{ type: number; params: readonly TypedParam[] }>({ type: int, params: typedParams(jobStatsMax) }),
);
/** Since libvirt 8.5. */
export const domainAbortJobFlags = queryRemote("domainAbortJobFlags", 442, domainAndFlags, nothing);
