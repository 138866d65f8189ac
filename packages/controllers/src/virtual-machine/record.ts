// What the controller must remember about a VM across restarts of the server, and nothing else: all the rest is observed again
// at each look. It lives in the VM's status; see status/stored-record.ts for how it is read and written there.

import type { AppliedDefinition } from "./applied.ts";
import type { PowerCycleRecord } from "./plan/power-cycle-plan.ts";
import type { RevertRecord } from "./plan/revert-plan.ts";
import type { RunRequests } from "./plan/run-state-plan.ts";

/** How a VM came to be off. */
export interface StopRecord {
  /**
   * `Graceful`: the guest followed our request. `Forced`: we pulled the plug. `Suspended`: we saved its memory to disk. `Guest`: it
   * shut itself down.
   * `External`: somebody else stopped it. `Crashed`: the guest or its process died.
   */
  readonly method: "Graceful" | "Forced" | "Suspended" | "BootRetry" | "Guest" | "External" | "Crashed";
  readonly timeMs: number;
  /** For people. */
  readonly message: string;
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
  /** The power cycle that is under way, or that the guest did not follow. */
  readonly powerCycle?: PowerCycleRecord;
  /** The snapshot that it is going back to, or has gone back to as the spec still asks. */
  readonly revert?: RevertRecord;
  /** Requests by annotation that were carried out last. */
  readonly requestsDone?: RunRequests;
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

/** Nothing is left to be said of the revert. */
export function withoutRevert(record: VmRecord): VmRecord {
  const { revert: _, ...rest } = record;
  return rest;
}
