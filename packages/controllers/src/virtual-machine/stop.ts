// Why a VM is off, and when it may be started again. Pure.

import type { PowerState } from "@vivarium/provider";
import type { PowerWish } from "./plan/input.ts";
import { isRestartUndone } from "./plan/restart.ts";
import { isOnWanted } from "./plan/run-state-plan.ts";
import type { StopRecord, VmRecord } from "./record.ts";

const firstDelayMs = 3_000;
const longestDelayMs = 5 * 60_000;
/** After this long without a stop, the next one counts as the first. */
const stableAfterMs = 10 * 60_000;

export interface StopInput {
  readonly nowMs: number;
  readonly power: PowerWish;
  readonly restartRequest?: string;
  readonly record: VmRecord;
  /** The domain as found: `absent` when somebody removed it while it ran. */
  readonly found: { readonly power: PowerState | "absent"; readonly reason: string };
}

const sentences: Readonly<Record<StopRecord["method"], string>> = {
  Graceful: "The guest shut down when asked",
  Forced: "The plug was pulled by Vivarium",
  Suspended: "Its memory was saved to disk as asked",
  BootRetry: "The boot showed no sign of life and was cut short, to be tried once more",
  Guest: "The guest shut itself down",
  External: "Stopped by somebody else on the host",
  Crashed: "The guest or its process crashed",
};

/** Who stopped it follows from what we had asked for and from the hypervisor's word. */
export function classifyStop({ nowMs, power, record, found }: StopInput): StopRecord {
  const stop = (method: StopRecord["method"]): StopRecord => ({
    method,
    timeMs: nowMs,
    message: `${sentences[method]} (hypervisor: ${found.reason})`,
  });
  if (found.power === "absent") return stop("External");
  if (found.power === "crashed" || found.reason === "crashed" || found.reason === "failed") return stop("Crashed");
  if (record.bootRetry === "wanted") return stop("BootRetry");
  if (found.reason === "saved") return stop(power === "Suspended" ? "Suspended" : "External");
  const isAsked = record.shutdownRequestedAtMs !== undefined;
  if (found.reason === "shutdown") return stop(isAsked ? "Graceful" : "Guest");
  if (found.reason === "destroyed") {
    const isOurs = isAsked || record.revert !== undefined || power === "Off" || power === "OffGraceful";
    return stop(isOurs ? "Forced" : "External");
  }
  return stop(isAsked ? "Graceful" : "External");
}

/** Stops that nobody who may decide it had asked for. */
export function isUnexpected(stop: StopRecord, power: StopInput["power"]): boolean {
  return isOnWanted(power) && (stop.method === "Guest" || stop.method === "External" || stop.method === "Crashed");
}

/** The record once the VM has been found off. */
export function recordStop(input: StopInput): VmRecord {
  const { record, nowMs, power, restartRequest } = input;
  const { runningSinceMs, shutdownRequestedAtMs, bootRetry, nextStartMs: _, powerCycle, ...rest } = record;
  const wasRunning = runningSinceMs !== undefined || shutdownRequestedAtMs !== undefined;
  const isRestart = isRestartUndone(input) && isOnWanted(power);
  const common: VmRecord = {
    ...rest,
    ...(isRestart ? { restartStoppedFor: restartRequest } : {}),
    // Whatever the guest was asked for: it starts from what is declared, and is not taken off for the same wish again.
    ...(powerCycle === undefined ? {} : { powerCycle: { ...powerCycle, state: "done" as const } }),
    ...(bootRetry === "wanted" ? { bootRetry: "done" as const } : {}),
  };
  if (!wasRunning) return common;
  const lastStop = classifyStop(input);
  if (isRestart || !isUnexpected(lastStop, power)) return { ...common, lastStop, stops: 0 };
  const isStable = runningSinceMs !== undefined && nowMs - runningSinceMs >= stableAfterMs;
  const stops = isStable ? 1 : record.stops + 1;
  return { ...common, lastStop, stops, nextStartMs: nowMs + startDelayMs(stops) };
}

/** 3 s, 6 s, 12 s, … 5 min. */
export function startDelayMs(stops: number): number {
  return Math.min(firstDelayMs * 2 ** Math.min(stops - 1, 20), longestDelayMs);
}
