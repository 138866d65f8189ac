// What the controller must remember about a VM across restarts of the server, and nothing else: all the rest is observed again
// at each look. It lives in the VM's status; see status.ts for how it is read and written there.

import { createHash } from "node:crypto";
import type { DiskDefinition, NicDefinition, VmDefinition } from "@vivarium/provider";
import type { RevertRecord } from "./plan/revert-plan.ts";
import type { RunRequests } from "./plan/run-state-plan.ts";

/** How a VM came to be off. */
export interface StopRecord {
  /**
   * `Graceful`: the guest followed our request. `Forced`: we pulled the plug. `Suspended`: we saved its memory to disk. `Guest`: it
   * shut itself down.
   * `External`: somebody else stopped it. `Crashed`: the guest or its process died.
   */
  readonly method: "Graceful" | "Forced" | "Suspended" | "Guest" | "External" | "Crashed";
  readonly timeMs: number;
  /** For people. */
  readonly message: string;
}

/** What the domain was last defined from; compared with the spec to say what waits for a power cycle. */
export interface AppliedDefinition {
  /** metadata.generation of the spec that it came from. */
  readonly generation: number;
  /** One short string per field of the definition; compared, never parsed. */
  readonly fields: Readonly<Record<string, string>>;
  /** Data disks that were made; one that is lost later is never silently replaced by an empty one. */
  readonly disks: readonly string[];
  /** Sizes that disks of the VM's own were given, where the spec says one; absent in records of older releases. */
  readonly sizes?: Readonly<Record<string, number>>;
  readonly macs: readonly string[];
  /** Static addresses of its interfaces, without prefix length. */
  readonly addresses?: readonly string[];
}

export interface VmRecord {
  /** `namespace/name` of the Provider on which something was, or may have been, made. Written before the first volume. */
  readonly madeOn?: string;
  readonly applied?: AppliedDefinition;
  /** The host of that Provider; written before anything else is done about it, and never changed. */
  readonly host?: string;
  /** UUID of the domain that was there before, and that the VM is. Written before the domain is marked. */
  readonly adoptedUuid?: string;
  /** MAC addresses that were chosen for the VM, by interface: kept for its life. */
  readonly macs?: Readonly<Record<string, string>>;
  /** `applied` was written, and whether the domain was then defined from it is not known. */
  readonly isDefineDue?: true;
  /** Since when the domain has been seen running without a break. */
  readonly runningSinceMs?: number;
  /** Unexpected stops in a row, for the back-off. */
  readonly stops: number;
  /** Not started again before this. */
  readonly nextStartMs?: number;
  readonly lastStop?: StopRecord;
  /** When the guest was asked to shut down; the deadline counts from here, whoever serves then. */
  readonly shutdownRequestedAtMs?: number;
  /** The restart request that was carried out last. */
  readonly lastRestartRequest?: string;
  /** The restart request for which the VM has been stopped, and not yet started again. */
  readonly restartStoppedFor?: string;
  /** The CPUs were, or were about to be, halted by us. */
  readonly isPausedByUs?: true;
  /** The snapshot that it is going back to, or has gone back to as the spec still asks. */
  readonly revert?: RevertRecord;
  /** Requests by annotation that were carried out last. */
  readonly requestsDone?: RunRequests;
  /** When an existing domain was last defined anew with other values. */
  readonly reconfiguredAtMs?: number;
  /** A start without a sign of life is cut short once: first wanted, then done. */
  readonly bootRetry?: "wanted" | "done";
}

/** Nothing is left to be said of the revert. */
export function withoutRevert(record: VmRecord): VmRecord {
  const { revert: _, ...rest } = record;
  return rest;
}

/** Before anything is made or changed: where, and as what. */
export function recordPlacement(
  record: VmRecord,
  to: { readonly provider: string; readonly applied: AppliedDefinition; readonly nowMs: number },
): VmRecord {
  const isReconfigured = record.applied !== undefined;
  return {
    ...record,
    madeOn: to.provider,
    applied: to.applied,
    isDefineDue: true,
    ...(isReconfigured ? { reconfiguredAtMs: to.nowMs } : {}),
  };
}

/** The domain is what `applied` says. */
export function recordDefined(record: VmRecord): VmRecord {
  const { isDefineDue: _, ...rest } = record;
  return rest;
}

/** The domain has been seen running. */
export function recordRunning(
  record: VmRecord,
  { nowMs, isStopWanted, hasAddress, isPauseOver }: RunningFacts,
): VmRecord {
  const { nextStartMs: _, restartStoppedFor, bootRetry, shutdownRequestedAtMs, isPausedByUs, ...rest } = record;
  return {
    ...rest,
    runningSinceMs: record.runningSinceMs ?? nowMs,
    ...(restartStoppedFor === undefined ? {} : { lastRestartRequest: restartStoppedFor }),
    ...(bootRetry === undefined ? {} : { bootRetry: hasAddress ? ("done" as const) : bootRetry }),
    ...(isStopWanted && shutdownRequestedAtMs !== undefined ? { shutdownRequestedAtMs } : {}),
    ...(isPausedByUs === undefined || isPauseOver ? {} : { isPausedByUs }),
  };
}

interface RunningFacts {
  readonly nowMs: number;
  /** Off is declared, or a restart is under way. */
  readonly isStopWanted: boolean;
  readonly hasAddress: boolean;
  /** It shall run, and does. */
  readonly isPauseOver: boolean;
}

/** The record of a definition, in the terms that users know. */
export function appliedFrom(
  definition: VmDefinition,
  generation: number,
  sizes: Readonly<Record<string, number>> = {},
): AppliedDefinition {
  return {
    generation,
    fields: fieldsOf(definition),
    disks: definition.disks.map((disk) => disk.name),
    sizes,
    ...nicsApplied(definition.networks),
  };
}

function nicsApplied(nics: readonly NicDefinition[]): Pick<AppliedDefinition, "macs" | "addresses"> {
  const addresses = nics.flatMap((nic) => (nic.addresses ?? []).map((address) => address.split("/")[0] ?? ""));
  return { macs: nics.map(({ mac }) => mac), ...(addresses.length === 0 ? {} : { addresses }) };
}

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

/** Interfaces were plugged in, let go or changed while the VM runs. What only a power cycle changes stays as it was recorded. */
export function recordNics(
  record: VmRecord,
  to: { readonly definition: VmDefinition; readonly nowMs: number },
): VmRecord {
  const applied = appliedNics(record, to.definition);
  return applied === undefined ? record : { ...record, applied, reconfiguredAtMs: to.nowMs };
}

/** Whether the record does not say yet that the running domain has these interfaces. */
export function isNicRecordDue(record: VmRecord, definition: VmDefinition): boolean {
  const { applied } = record;
  const next = appliedNics(record, definition);
  return (
    JSON.stringify([applied?.fields["networks"], applied?.macs, applied?.addresses]) !==
    JSON.stringify([next?.fields["networks"], next?.macs, next?.addresses])
  );
}

function appliedNics({ applied }: VmRecord, { networks }: VmDefinition): AppliedDefinition | undefined {
  if (applied === undefined) return undefined;
  const { addresses: _, ...rest } = applied;
  const before = new Map(nicEntriesOf(applied).map((entry) => [entry.mac, entry]));
  const entries = networks.map((nic) => {
    const { model: _model, mtu: _mtu, ...hot } = nic;
    const cold = before.get(nic.mac);
    return nicEntry(cold === undefined ? nic : { ...hot, ...cold, name: nic.name });
  });
  return { ...rest, fields: { ...applied.fields, networks: entries.join(",") }, ...nicsApplied(networks) };
}

/** What of an interface the running domain lacks until the VM is next off. */
export function changedNics({ applied }: VmRecord, { mac, model, mtu }: NicDefinition): readonly string[] {
  const before = applied && nicEntriesOf(applied).find((entry) => entry.mac === mac);
  if (before === undefined) return [];
  return [...(before.model === model ? [] : ["model"]), ...(before.mtu === mtu ? [] : ["mtu"])];
}

/** MAC addresses by interface, as releases that kept none by name gave them. */
export function macsOfApplied(applied: AppliedDefinition | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries((applied === undefined ? [] : nicEntriesOf(applied)).map(({ name, mac }) => [name, mac]));
}

/** What of an interface only a power cycle changes, and what it is plugged into. */
function nicEntry({ name, source, model, mac, mtu }: NicDefinition): string {
  const to = "network" in source ? `network=${source.network}` : `bridge=${source.bridge}`;
  return [name, to, model, mac, mtu ?? ""].join(" ");
}

function nicEntriesOf(applied: AppliedDefinition): readonly Pick<NicDefinition, "name" | "model" | "mac" | "mtu">[] {
  const entries = (applied.fields["networks"] ?? "").split(",").filter((entry) => entry !== "");
  return entries.map((entry) => {
    // Names of networks may hold blanks.
    const parts = entry.split(" ");
    const [model = "", mac = "", mtu = ""] = parts.slice(-3);
    return { name: parts[0] ?? "", model, mac, ...(mtu === "" ? {} : { mtu: Number(mtu) }) };
  });
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
function diskEntry(disk: DiskDefinition): string {
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

function digestOf(config: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex").slice(0, 16);
}

/** Names of the fields in which the domain differs from what is wanted. */
export function changedFields(applied: AppliedDefinition, definition: VmDefinition): readonly string[] {
  const wanted = fieldsOf(definition);
  const names = new Set([...Object.keys(wanted), ...Object.keys(applied.fields)]);
  return [...names].filter((field) => (wanted[field] ?? "") !== (applied.fields[field] ?? ""));
}

/** What is not said is left out, so that records of older releases compare as equal. Limits are compared with what is seen. */
export function fieldsOf(definition: VmDefinition): Readonly<Record<string, string>> {
  const { cpu, maxCpus, maxMemoryBytes, onCrash, startsOnBoot, extraConfig } = definition;
  const topology = cpu?.topology;
  return {
    // How much room there is only matters once more is wanted.
    ...(maxCpus === undefined ? {} : { cpuHotAdd: "true" }),
    ...(maxMemoryBytes === undefined ? {} : { memoryHotAdd: "true" }),
    ...(cpu?.model === undefined ? {} : { cpuModel: cpu.model }),
    ...(topology === undefined ? {} : { cpuTopology: [topology.sockets, topology.cores, topology.threads].join(":") }),
    ...(onCrash === undefined ? {} : { crashPolicy: onCrash }),
    ...(startsOnBoot === true ? { startOnBoot: "true" } : {}),
    ...(extraConfig === undefined ? {} : { extraConfig: digestOf(extraConfig) }),
    cpu: String(definition.cpus),
    memory: String(definition.memoryBytes),
    firmware: definition.firmware,
    secureBoot: String(definition.secureBoot),
    tpm: String(definition.tpm),
    nestedVirtualization: String(definition.nestedVirtualization),
    disks: definition.disks.map(diskEntry).join(","),
    networks: definition.networks.map(nicEntry).join(","),
  };
}
