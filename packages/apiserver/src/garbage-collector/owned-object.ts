// What the collector needs to know of a stored object, read from its bytes without parsing the many that have no part in ownership.

import type { ObjectMeta, OwnerReference } from "@vivarium/api";
import type { KeyValue } from "@vivarium/store";

export const foregroundFinalizer = "foregroundDeletion";
export const orphanFinalizer = "orphan";

export interface ObjectFacts {
  readonly key: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly owners: readonly OwnerReference[];
  readonly isDeleting: boolean;
  readonly finalizers: readonly string[];
}

const ownersMark = '"ownerReferences"';
const deletionMark = '"deletionTimestamp"';

/** False for the many objects that neither have owners nor are on their way out. */
export function mayMatter(kv: KeyValue): boolean {
  const bytes = bufferOf(kv);
  return bytes.includes(ownersMark) || bytes.includes(deletionMark);
}

/** An owner of many is asked about once for each of them. */
const known = new WeakMap<KeyValue, ObjectFacts>();

export function factsOf(kv: KeyValue): ObjectFacts {
  const found = known.get(kv);
  if (found !== undefined) return found;
  const facts = readFacts(kv);
  known.set(kv, facts);
  return facts;
}

function readFacts(kv: KeyValue): ObjectFacts {
  const { apiVersion, kind, metadata } = JSON.parse(bufferOf(kv).toString()) as {
    apiVersion: string;
    kind: string;
    metadata: ObjectMeta;
  };
  return {
    key: kv.key,
    apiVersion,
    kind,
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid ?? "",
    resourceVersion: String(kv.modRevision),
    owners: metadata.ownerReferences ?? [],
    isDeleting: metadata.deletionTimestamp !== undefined,
    finalizers: metadata.finalizers ?? [],
  };
}

/** Whether it stays until its dependents that block it are gone. */
export function isDeletingForeground(facts: ObjectFacts): boolean {
  return facts.isDeleting && facts.finalizers.includes(foregroundFinalizer);
}

function bufferOf({ value }: KeyValue): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.length);
}
