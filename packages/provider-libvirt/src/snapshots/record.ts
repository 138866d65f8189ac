// What is known of a VM's external snapshots, kept in the domain's own metadata: it changes in one step with the files that the domain has
// for disks, survives whatever happens to us, and goes with the domain. Pure.

import { DomainMetadataType } from "@vivarium/libvirt";
import type { DomainMetadata } from "@vivarium/libvirt";
import type { SnapshotConsistency } from "@vivarium/provider";
import { element, renderXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

const recordNamespace = "https://vivarium.dev/libvirt/snapshots/1";
const prefix = "vivarium-snapshots";

export interface FrozenDisk {
  readonly disk: string;
  /** The volume that was written until then. */
  readonly volume: string;
}

export interface RecordedSnapshot {
  readonly uid: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly parent?: string;
  readonly consistency: SnapshotConsistency;
  readonly disks: readonly FrozenDisk[];
  readonly leftOut: readonly string[];
  /** The volume with the memory. */
  readonly memory?: string;
  /** The volume with the firmware's variables. */
  readonly nvram?: string;
}

/** Overlay `top` is being merged into `base`. */
export interface Merge {
  readonly disk: string;
  readonly base: string;
  readonly top: string;
}

export interface SnapshotRecord {
  /** Parents first. */
  readonly snapshots: readonly RecordedSnapshot[];
  readonly current?: string;
  /** The request that was carried out last. */
  readonly reverted?: string;
  /** Disks are at this snapshot; its memory has not been brought back yet. */
  readonly restoring?: string;
  readonly merge?: Merge;
}

export const emptyRecord: SnapshotRecord = { snapshots: [] };

const consistencies: readonly SnapshotConsistency[] = ["off", "memory", "filesystem", "crash"];

/** The record in a domain's `<metadata>`, whatever prefix libvirt gives its namespace. */
export function readSnapshotRecord(domain: XmlElement): SnapshotRecord {
  const metadata = domain.children.find((child) => child.name === "metadata");
  const found = metadata?.children.find(isRecord);
  if (found === undefined) return emptyRecord;
  const { current, reverted, restoring } = found.attributes;
  const merge = childrenNamed(found, "merge")[0]?.attributes;
  return {
    snapshots: childrenNamed(found, "snapshot").map(readSnapshot),
    ...(current === undefined ? {} : { current }),
    ...(reverted === undefined ? {} : { reverted }),
    ...(restoring === undefined ? {} : { restoring }),
    ...(merge === undefined
      ? {}
      : { merge: { disk: merge["disk"] ?? "", base: merge["base"] ?? "", top: merge["top"] ?? "" } }),
  };
}

function readSnapshot(snapshot: XmlElement): RecordedSnapshot {
  const { uid = "", name = "", created, parent, consistency, memory, nvram } = snapshot.attributes;
  return {
    uid,
    name,
    createdAtMs: Number(created),
    ...(parent === undefined ? {} : { parent }),
    consistency: consistencies.find((each) => each === consistency) ?? "crash",
    disks: childrenNamed(snapshot, "disk").map(({ attributes }) => ({
      disk: attributes["name"] ?? "",
      volume: attributes["volume"] ?? "",
    })),
    leftOut: childrenNamed(snapshot, "left-out").map(({ attributes }) => attributes["disk"] ?? ""),
    ...(memory === undefined ? {} : { memory }),
    ...(nvram === undefined ? {} : { nvram }),
  };
}

/** For `<metadata>`; undefined when there is nothing to keep. */
export function snapshotRecordElement(record: SnapshotRecord): XmlElement | undefined {
  if (isEmpty(record)) return undefined;
  return recordElement(record, { name: `${prefix}:record`, declared: { [`xmlns:${prefix}`]: recordNamespace } });
}

/** For a domain that is there. */
export function snapshotMetadata(record: SnapshotRecord): DomainMetadata {
  const place = { type: DomainMetadataType.ELEMENT, key: prefix, uri: recordNamespace };
  if (isEmpty(record)) return place;
  return { ...place, metadata: renderXml(recordElement(record, { name: "record", declared: {} })) };
}

/** The domain's XML with this record in place of the one that it has. */
export function withSnapshotRecord(domain: XmlElement, record: SnapshotRecord): XmlElement {
  const written = snapshotRecordElement(record);
  return {
    ...domain,
    children: domain.children.map((child) => {
      if (child.name !== "metadata") return child;
      const others = child.children.filter((each) => !isRecord(each));
      return { ...child, children: [...others, ...(written === undefined ? [] : [written])] };
    }),
  };
}

export function withoutSnapshot(record: SnapshotRecord, uid: string): SnapshotRecord {
  const gone = record.snapshots.find((snapshot) => snapshot.uid === uid);
  if (gone === undefined) return record;
  const { current, restoring, ...kept } = record;
  const inherit = (parent: string | undefined): string | undefined => (parent === uid ? gone.parent : parent);
  const now = inherit(current);
  return {
    ...kept,
    snapshots: record.snapshots
      .filter((snapshot) => snapshot !== gone)
      .map(({ parent, ...snapshot }) => {
        const next = inherit(parent);
        return { ...snapshot, ...(next === undefined ? {} : { parent: next }) };
      }),
    ...(now === undefined ? {} : { current: now }),
    ...(restoring === undefined || restoring === uid ? {} : { restoring }),
  };
}

/** What was in the overlay of the merge is in its base now. */
export function afterMerge(record: SnapshotRecord): SnapshotRecord {
  const { merge, ...kept } = record;
  if (merge === undefined) return record;
  return {
    ...kept,
    snapshots: record.snapshots.map((snapshot) => ({
      ...snapshot,
      disks: snapshot.disks.map((disk) => (disk.volume === merge.top ? { ...disk, volume: merge.base } : disk)),
    })),
  };
}

/** Volumes that snapshots need as they are. */
export function frozenVolumes({ snapshots }: SnapshotRecord): ReadonlySet<string> {
  return new Set(snapshots.flatMap(({ disks }) => disks.map(({ volume }) => volume)));
}

function isEmpty({ snapshots, reverted, merge, restoring }: SnapshotRecord): boolean {
  return snapshots.length === 0 && reverted === undefined && merge === undefined && restoring === undefined;
}

function isRecord(candidate: XmlElement): boolean {
  const [head = "", local] = candidate.name.includes(":") ? candidate.name.split(":") : ["", candidate.name];
  return local === "record" && candidate.attributes[head === "" ? "xmlns" : `xmlns:${head}`] === recordNamespace;
}

function childrenNamed(parent: XmlElement, name: string): readonly XmlElement[] {
  return parent.children.filter((child) => child.name === name || child.name.endsWith(`:${name}`));
}

function recordElement(
  { snapshots, current, reverted, restoring, merge }: SnapshotRecord,
  { name, declared }: { readonly name: string; readonly declared: Readonly<Record<string, string>> },
): XmlElement {
  return element(name, { ...declared, current, reverted, restoring }, [
    ...snapshots.map((snapshot) =>
      element(
        "snapshot",
        {
          uid: snapshot.uid,
          name: snapshot.name,
          created: snapshot.createdAtMs,
          parent: snapshot.parent,
          consistency: snapshot.consistency,
          memory: snapshot.memory,
          nvram: snapshot.nvram,
        },
        [
          ...snapshot.disks.map(({ disk, volume }) => element("disk", { name: disk, volume })),
          ...snapshot.leftOut.map((disk) => element("left-out", { disk })),
        ],
      ),
    ),
    merge && element("merge", { ...merge }),
  ]);
}
