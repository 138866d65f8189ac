// What the controller must remember about a VM across restarts of the server, and nothing else: all the rest is observed again
// at each look. It lives in the VM's status; see virtual-machine-status.ts for how it is read and written there.

import type { VmDefinition } from "@vivarium/provider";

/** How a VM came to be off. */
export interface StopRecord {
  /**
   * `Graceful`: the guest followed our request. `Forced`: we pulled the plug. `Guest`: it shut itself down.
   * `External`: somebody else stopped it. `Crashed`: the guest or its process died.
   */
  readonly method: "Graceful" | "Forced" | "Guest" | "External" | "Crashed";
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
  readonly macs: readonly string[];
}

export interface VmRecord {
  /** `namespace/name` of the Provider on which something was, or may have been, made. Written before the first volume. */
  readonly madeOn?: string;
  readonly applied?: AppliedDefinition;
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
  /** When an existing domain was last defined anew with other values. */
  readonly reconfiguredAtMs?: number;
  /** A start without a sign of life is cut short once: first wanted, then done. */
  readonly bootRetry?: "wanted" | "done";
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
export function recordRunning(record: VmRecord, { nowMs, isStopWanted, hasAddress }: RunningFacts): VmRecord {
  const { nextStartMs: _, restartStoppedFor, bootRetry, shutdownRequestedAtMs, ...rest } = record;
  return {
    ...rest,
    runningSinceMs: record.runningSinceMs ?? nowMs,
    ...(restartStoppedFor === undefined ? {} : { lastRestartRequest: restartStoppedFor }),
    ...(bootRetry === undefined ? {} : { bootRetry: hasAddress ? ("done" as const) : bootRetry }),
    ...(isStopWanted && shutdownRequestedAtMs !== undefined ? { shutdownRequestedAtMs } : {}),
  };
}

interface RunningFacts {
  readonly nowMs: number;
  /** Off is declared, or a restart is under way. */
  readonly isStopWanted: boolean;
  readonly hasAddress: boolean;
}

/** The record of a definition, in the terms that users know. */
export function appliedFrom(definition: VmDefinition, generation: number): AppliedDefinition {
  return {
    generation,
    fields: fieldsOf(definition),
    disks: definition.disks.map((disk) => disk.name),
    macs: definition.networks.map((nic) => nic.mac),
  };
}

/** Names of the fields in which the domain differs from what is wanted. */
export function changedFields(applied: AppliedDefinition, definition: VmDefinition): readonly string[] {
  const wanted = fieldsOf(definition);
  return Object.keys(wanted).filter((field) => wanted[field] !== applied.fields[field]);
}

function fieldsOf(definition: VmDefinition): Readonly<Record<string, string>> {
  return {
    cpu: String(definition.cpus),
    memory: String(definition.memoryBytes),
    firmware: definition.firmware,
    secureBoot: String(definition.secureBoot),
    tpm: String(definition.tpm),
    nestedVirtualization: String(definition.nestedVirtualization),
    disks: definition.disks.map((disk) => disk.name).join(","),
    networks: definition.networks
      .map((nic) => {
        const source = "network" in nic.source ? `network=${nic.source.network}` : `bridge=${nic.source.bridge}`;
        return [nic.name, source, nic.model, nic.mac, nic.mtu ?? ""].join(" ");
      })
      .join(","),
  };
}
