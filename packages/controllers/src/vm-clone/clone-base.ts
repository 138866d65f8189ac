// The snapshot that a clone of a machine is made from. Clones that were asked for together share one; it is never of before the wish. Pure.

import { apiVersionOf, cloneBaseLabel, VMSnapshot } from "@vivarium/api";
import type { KubeObject } from "@vivarium/api";

export type CloneBase =
  | { readonly kind: "there"; readonly snapshot: VMSnapshot }
  /** To be created. */
  | { readonly kind: "new"; readonly snapshot: VMSnapshot };

/** What is remembered of the snapshot that something is made from. */
export interface BaseRecord {
  readonly name: string;
  readonly uid: string;
  /** Taken for clones: it goes when none needs it. */
  readonly isBase: boolean;
}

export function baseRecordOf({ metadata }: VMSnapshot): BaseRecord {
  const { name, uid = "", labels } = metadata;
  return { name, uid, isBase: labels?.[cloneBaseLabel] !== undefined };
}

/** `metadata`: of who wishes. */
export function baseFor({ metadata }: KubeObject, machine: string, snapshots: readonly VMSnapshot[]): CloneBase {
  const name = `${machine}-base-${(metadata.uid ?? "").slice(0, 8)}`;
  const found = snapshots.find(
    (snapshot) =>
      snapshot.spec.vmRef.name === machine &&
      snapshot.metadata.labels?.[cloneBaseLabel] !== undefined &&
      snapshot.metadata.deletionTimestamp === undefined &&
      snapshot.status?.phase !== "Failed" &&
      // Of an earlier try of this clone.
      (snapshot.metadata.name === name || isOfAfter(snapshot, metadata.creationTimestamp ?? "")),
  );
  if (found !== undefined) return { kind: "there", snapshot: found };
  const snapshot: VMSnapshot = {
    apiVersion: apiVersionOf(VMSnapshot),
    kind: VMSnapshot.kind,
    metadata: {
      name,
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      labels: { [cloneBaseLabel]: "true" },
    },
    spec: {
      vmRef: { name: machine },
      description: "Taken for clones; it goes when none needs it.",
      snapshotConfig: { method: "External" },
    },
  };
  return { kind: "new", snapshot };
}

/** Not taken yet, or in a later second. */
function isOfAfter({ status }: VMSnapshot, time: string): boolean {
  return status?.creationTime === undefined || status.creationTime > time;
}
