// The disks of a domain on record: which were made, how large they are, and what of each only a power cycle changes. Pure.

import { createHash } from "node:crypto";
import type { DiskDefinition, VmDefinition } from "@vivarium/provider";
import type { AppliedDefinition } from "./applied.ts";
import type { VmRecord } from "./record.ts";

/** Disks were plugged in, let go or grown while the VM runs. What only a power cycle changes stays as it was recorded. */
export function recordDisks(
  record: VmRecord,
  to: { readonly definition: VmDefinition; readonly sizes: Readonly<Record<string, number>>; readonly nowMs: number },
): VmRecord {
  const { applied } = record;
  if (applied === undefined) return record;
  const before = entriesOf(applied);
  const disks = to.definition.disks.map((disk) => before.get(disk.name) ?? diskEntry(disk)).join(",");
  return {
    ...record,
    applied: {
      ...applied,
      fields: { ...applied.fields, disks },
      disks: to.definition.disks.map(({ name }) => name),
      sizes: { ...applied.sizes, ...to.sizes },
    },
    reconfiguredAtMs: to.nowMs,
  };
}

/** Sizes as they are once all that is wanted is done: a disk never gets smaller. */
export function sizesAfter(
  record: VmRecord,
  wanted: readonly { readonly name: string; readonly sizeBytes: number }[],
): Readonly<Record<string, number>> {
  const had = record.applied?.sizes ?? {};
  return Object.fromEntries(wanted.map(({ name, sizeBytes }) => [name, Math.max(sizeBytes, had[name] ?? 0)]));
}

/** Disks of the VM's own that were made. */
export function madeDisksOf(record: VmRecord): ReadonlySet<string> {
  const { applied } = record;
  if (applied === undefined) return new Set();
  const entries = entriesOf(applied);
  return new Set(applied.disks.filter((name) => entries.get(name)?.includes(" volume=") !== true));
}

function entriesOf(applied: AppliedDefinition): ReadonlyMap<string, string> {
  const entries = (applied.fields["disks"] ?? "").split(",");
  return new Map(entries.map((entry) => [entry.split(" ")[0] ?? "", entry]));
}

/** The serial number that a disk has when the spec gives none: readable, and different for each disk of a machine. */
export function defaultSerial(name: string): string {
  if (name.length <= 20) return name;
  return `${name.slice(0, 11)}-${createHash("sha256").update(name).digest("hex").slice(0, 8)}`;
}

/** What of a disk only a power cycle changes; the defaults are left out, as in records of older releases. */
export function diskEntry(disk: DiskDefinition): string {
  const { name, volume, bus, cache, discard, serial, isReadOnly } = disk;
  return [
    name,
    volume === undefined ? "" : `volume=${volume.pool}/${volume.name}`,
    bus === undefined || bus === "virtio" ? "" : `bus=${bus}`,
    cache === undefined || cache === "writeback" ? "" : `cache=${cache}`,
    discard === undefined || discard === "unmap" ? "" : `discard=${discard}`,
    serial === undefined || serial === defaultSerial(name) ? "" : `serial=${serial}`,
    isReadOnly === true ? "readOnly" : "",
  ]
    .filter((part) => part !== "")
    .join(" ");
}
