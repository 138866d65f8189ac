// What comes next for the size of a VM that runs: CPUs added, memory moved by the balloon, limits and the start with the host set. Pure.
// Nothing here ever disturbs the VM itself: what cannot be changed now waits until it is next off, and is told of.

import type { ResourceLimits, VmDefinition, VmObservation } from "@vivarium/provider";
import { fieldsOf } from "../applied.ts";
import type { VmRecord } from "../record.ts";

export type SizeStep =
  | { readonly kind: "AddCpus"; readonly cpus: number }
  | { readonly kind: "SetMemory"; readonly memoryBytes: number }
  | { readonly kind: "SetLimits"; readonly limits: ResourceLimits }
  | { readonly kind: "SetStartOnBoot"; readonly startsOnBoot: boolean };

export interface SizeInput {
  readonly nowMs: number;
  readonly record: VmRecord;
  readonly definition: VmDefinition;
  /** When this process asked the guest to take or give back memory. */
  readonly memoryAskedAtMs?: number;
  /** Steps that failed, and when they are tried again. */
  readonly retryAtMs: ReadonlyMap<string, number>;
  readonly done: ReadonlySet<string>;
}

export type SizeDecision =
  | SizeStep
  /** The running domain is as declared in these fields, and the record does not say so yet. */
  | { readonly kind: "RecordSize"; readonly fields: Readonly<Record<string, string>> }
  | { readonly kind: "wait"; readonly lookAgainAtMs?: number };

type Present = Extract<VmObservation, { kind: "present" }>;

/** A guest with a balloon driver follows within a second or two. */
export const balloonDeadlineMs = 30_000;
const balloonLookMs = 2_000;
const askAgainMs = 60_000;

export function decideRunningSize(input: SizeInput, seen: Present): SizeDecision {
  const { definition, done, nowMs } = input;
  const times: number[] = [];
  const isHeld = (kind: SizeStep["kind"]): boolean => {
    const retryAtMs = input.retryAtMs.get(kind);
    if (retryAtMs !== undefined && retryAtMs > nowMs) times.push(retryAtMs);
    return done.has(kind) || (retryAtMs !== undefined && retryAtMs > nowMs);
  };
  const limits = definition.limits ?? {};
  if (isLimitDue(seen.limits ?? {}, limits) && !isHeld("SetLimits")) return { kind: "SetLimits", limits };
  if (isCpuDue(definition, seen) && !isHeld("AddCpus")) return { kind: "AddCpus", cpus: definition.cpus };
  if (isMemoryMovable(definition, seen) && isMemoryDue(input, seen)) {
    const askedAtMs = input.memoryAskedAtMs;
    const isAskDue = askedAtMs === undefined || nowMs - askedAtMs >= askAgainMs || isMemoryUnrecorded(input);
    if (isAskDue && !isHeld("SetMemory")) {
      return { kind: "SetMemory", memoryBytes: definition.memoryBytes };
    }
    if (askedAtMs !== undefined) {
      times.push(nowMs - askedAtMs < balloonDeadlineMs ? nowMs + balloonLookMs : askedAtMs + askAgainMs);
    }
  }
  if (isStartOnBootDue(input) && !isHeld("SetStartOnBoot")) {
    return { kind: "SetStartOnBoot", startsOnBoot: definition.startsOnBoot === true };
  }
  const fields = fieldsToRecord(input, seen);
  if (Object.keys(fields).length > 0) return { kind: "RecordSize", fields };
  return { kind: "wait", ...(times.length === 0 ? {} : { lookAgainAtMs: Math.min(...times) }) };
}

/** Limits that are no longer wanted go as well, but for the weight: it has no value that means none. */
function isLimitDue(has: ResourceLimits, wanted: ResourceLimits): boolean {
  return (
    has.cpuMhz !== wanted.cpuMhz ||
    has.memoryBytes !== wanted.memoryBytes ||
    (wanted.cpuShares !== undefined && has.cpuShares !== wanted.cpuShares)
  );
}

function isCpuDue({ cpus, maxCpus }: VmDefinition, seen: Present): boolean {
  return maxCpus !== undefined && cpus > seen.cpus && cpus <= (seen.maxCpus ?? 0);
}

function isMemoryMovable({ memoryBytes, maxMemoryBytes }: VmDefinition, seen: Present): boolean {
  return maxMemoryBytes !== undefined && memoryBytes <= (seen.maxMemoryBytes ?? 0);
}

function isMemoryDue(input: SizeInput, seen: Present): boolean {
  return seen.memoryBytes !== input.definition.memoryBytes || isMemoryUnrecorded(input);
}

/** Another amount than the one that was asked for last. */
function isMemoryUnrecorded({ record, definition }: SizeInput): boolean {
  return record.applied?.fields["memory"] !== String(definition.memoryBytes);
}

function isStartOnBootDue({ record, definition, done }: SizeInput): boolean {
  return (
    !done.has("SetStartOnBoot") &&
    (record.applied?.fields["startOnBoot"] === "true") !== (definition.startsOnBoot === true)
  );
}

function fieldsToRecord({ record, definition, done }: SizeInput, seen: Present): Record<string, string> {
  const wanted = fieldsOf(definition);
  const isThere: Readonly<Record<string, boolean>> = {
    cpu: seen.cpus === definition.cpus,
    memory: isMemoryMovable(definition, seen) && done.has("SetMemory"),
    startOnBoot: done.has("SetStartOnBoot"),
  };
  const applied = record.applied?.fields ?? {};
  return Object.fromEntries(
    Object.keys(isThere).flatMap((field) => {
      const value = wanted[field] ?? "";
      return isThere[field] === true && value !== (applied[field] ?? "") ? [[field, value]] : [];
    }),
  );
}

/** A weight that is no longer wanted stays until the VM is next off. */
export function isShareLeft(definition: VmDefinition, seen: Present): boolean {
  return definition.limits?.cpuShares === undefined && seen.limits?.cpuShares !== undefined;
}

export function recordSize(
  record: VmRecord,
  to: { readonly fields: Readonly<Record<string, string>>; readonly nowMs: number },
): VmRecord {
  const { applied } = record;
  if (applied === undefined) return record;
  return {
    ...record,
    applied: { ...applied, fields: { ...applied.fields, ...to.fields } },
    reconfiguredAtMs: to.nowMs,
  };
}
