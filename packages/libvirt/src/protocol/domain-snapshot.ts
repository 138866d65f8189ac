// Calls on snapshots, checkpoints and backups of a domain.

import { bool, int, nothing, optional, string, struct, uint } from "../xdr/codec.ts";
import { listMax } from "./connect.ts";
import { checkpoint, domain, listAllRet, snapshot } from "./handles.ts";
import type { Domain, DomainCheckpoint, DomainSnapshot } from "./handles.ts";
import { copyRemote, remote, slowRemote } from "./procedure.ts";

interface OfDomain {
  domain: Domain;
}
interface OfSnapshot {
  snapshot: DomainSnapshot;
}
interface OfCheckpoint {
  checkpoint: DomainCheckpoint;
}
interface WithFlags {
  flags: number;
}

const domainAndFlags = struct<OfDomain & WithFlags>({ domain, flags: uint });
const domainXmlAndFlags = struct<OfDomain & { xml: string } & WithFlags>({ domain, xml: string, flags: uint });
const domainNameAndFlags = struct<OfDomain & { name: string } & WithFlags>({ domain, name: string, flags: uint });
const listOfDomain = struct<OfDomain & { needResults: number } & WithFlags>({ domain, needResults: int, flags: uint });
const xmlRet = struct<{ xml: string }>({ xml: string });

const onlySnapshot = struct<OfSnapshot>({ snapshot });
const snapshotAndFlags = struct<OfSnapshot & WithFlags>({ snapshot, flags: uint });

export const domainSnapshotCreateXml = copyRemote("domainSnapshotCreateXml", 185, domainXmlAndFlags, onlySnapshot);
export const domainSnapshotGetXmlDesc = remote("domainSnapshotGetXmlDesc", 186, snapshotAndFlags, xmlRet);
export const domainSnapshotLookupByName = remote("domainSnapshotLookupByName", 189, domainNameAndFlags, onlySnapshot);
export const domainHasCurrentSnapshot = remote(
  "domainHasCurrentSnapshot",
  190,
  domainAndFlags,
  struct<{ hasCurrent: boolean }>({ hasCurrent: bool }),
);
export const domainSnapshotCurrent = remote("domainSnapshotCurrent", 191, domainAndFlags, onlySnapshot);
export const domainRevertToSnapshot = copyRemote("domainRevertToSnapshot", 192, snapshotAndFlags, nothing);
export const domainSnapshotDelete = copyRemote("domainSnapshotDelete", 193, snapshotAndFlags, nothing);
export const domainSnapshotGetParent = remote("domainSnapshotGetParent", 244, snapshotAndFlags, onlySnapshot);
export const domainSnapshotIsCurrent = remote(
  "domainSnapshotIsCurrent",
  271,
  snapshotAndFlags,
  struct<{ isCurrent: boolean }>({ isCurrent: bool }),
);
export const domainListAllSnapshots = remote(
  "domainListAllSnapshots",
  274,
  listOfDomain,
  listAllRet(snapshot, listMax),
);
export const domainSnapshotListAllChildren = remote(
  "domainSnapshotListAllChildren",
  275,
  struct<OfSnapshot & { needResults: number } & WithFlags>({ snapshot, needResults: int, flags: uint }),
  listAllRet(snapshot, listMax),
);

const onlyCheckpoint = struct<OfCheckpoint>({ checkpoint });
const checkpointAndFlags = struct<OfCheckpoint & WithFlags>({ checkpoint, flags: uint });

export const domainCheckpointCreateXml = slowRemote(
  "domainCheckpointCreateXml",
  411,
  domainXmlAndFlags,
  onlyCheckpoint,
);
export const domainCheckpointGetXmlDesc = slowRemote("domainCheckpointGetXmlDesc", 412, checkpointAndFlags, xmlRet);
export const domainListAllCheckpoints = remote(
  "domainListAllCheckpoints",
  413,
  listOfDomain,
  listAllRet(checkpoint, listMax),
);
export const domainCheckpointListAllChildren = remote(
  "domainCheckpointListAllChildren",
  414,
  struct<OfCheckpoint & { needResults: number } & WithFlags>({ checkpoint, needResults: int, flags: uint }),
  listAllRet(checkpoint, listMax),
);
export const domainCheckpointLookupByName = remote(
  "domainCheckpointLookupByName",
  415,
  domainNameAndFlags,
  onlyCheckpoint,
);
export const domainCheckpointGetParent = remote("domainCheckpointGetParent", 416, checkpointAndFlags, onlyCheckpoint);
export const domainCheckpointDelete = slowRemote("domainCheckpointDelete", 417, checkpointAndFlags, nothing);

export const domainBackupBegin = slowRemote(
  "domainBackupBegin",
  421,
  struct<OfDomain & { backupXml: string; checkpointXml: string | undefined } & WithFlags>({
    domain,
    backupXml: string,
    checkpointXml: optional(string),
    flags: uint,
  }),
  nothing,
);
export const domainBackupGetXmlDesc = remote("domainBackupGetXmlDesc", 422, domainAndFlags, xmlRet);
