// What the controller knows of a VM only while this process lives: none of it is needed for correctness, all of it for good timing.

import type { GuestAddress, ProviderError } from "@vivarium/provider";
import type { Step } from "./plan/step.ts";

export interface StepFailure {
  readonly step: Step["kind"] | "Observe";
  readonly error: ProviderError;
  /** Of the spec with which it failed: another one may try at once. */
  readonly generation: number;
  /** In a row. */
  readonly count: number;
  readonly retryAtMs: number;
}

/** What is going on with the devices of one kind of a running VM. */
export interface DeviceMemory {
  /** When the guest was asked to let go of one. */
  readonly detachAskedAtMs: Map<string, number>;
  /** Steps that failed, by key. They never hold back anything else. */
  readonly failures: Map<string, StepFailure>;
}

export interface VmMemory {
  readonly uid: string;
  readonly firstLookMs: number;
  hasBeenObserved: boolean;
  failure: StepFailure | undefined;
  shutdownAskedAtMs: number | undefined;
  bootProbe: "silent" | "alive" | undefined;
  addresses: readonly GuestAddress[];
  addressesLookedAtMs: number | undefined;
  /** Started by us a moment ago after an earlier run: what is heard now is an echo of that run. */
  isFreshStart: boolean;
  /** The echo: `source ip`. */
  readonly echo: Set<string>;
  readonly disks: DeviceMemory;
  readonly nics: DeviceMemory;
  /** When the guest was asked to take or give back memory. */
  memoryAskedAtMs: number | undefined;
  /** Of CPUs, memory and limits: steps that failed, by kind. */
  readonly size: DeviceMemory;
  /** Something happened to the VM since the last look. */
  isStirred: boolean;
}

export function newMemory(uid: string, nowMs: number): VmMemory {
  return {
    uid,
    firstLookMs: nowMs,
    hasBeenObserved: false,
    failure: undefined,
    shutdownAskedAtMs: undefined,
    bootProbe: undefined,
    addresses: [],
    addressesLookedAtMs: undefined,
    isFreshStart: false,
    echo: new Set(),
    disks: { detachAskedAtMs: new Map(), failures: new Map() },
    nics: { detachAskedAtMs: new Map(), failures: new Map() },
    memoryAskedAtMs: undefined,
    size: { detachAskedAtMs: new Map(), failures: new Map() },
    isStirred: false,
  };
}

/** What was known of the present run of the guest is over. */
export function forgetRun(memory: VmMemory): void {
  memory.shutdownAskedAtMs = undefined;
  memory.memoryAskedAtMs = undefined;
  memory.bootProbe = undefined;
  memory.addresses = [];
  memory.addressesLookedAtMs = undefined;
  memory.isFreshStart = false;
  memory.echo.clear();
  for (const { detachAskedAtMs, failures } of [memory.disks, memory.nics, memory.size]) {
    detachAskedAtMs.clear();
    failures.clear();
  }
}

const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
/** For what trying again cannot cure, but somebody at the host can. */
const hopelessRetryMs = 300_000;

/** 1 s, 2 s, 4 s, … 1 min; a fifth less at random, so that many VMs do not come at once. */
export function nextFailure(
  previous: StepFailure | undefined,
  now: Pick<StepFailure, "step" | "error" | "generation"> & { readonly nowMs: number; readonly random: () => number },
): StepFailure {
  const { step, error, generation, nowMs, random } = now;
  const isSame = previous?.step === step && previous.generation === generation;
  const count = isSame ? previous.count + 1 : 1;
  const fullMs = error.retryable
    ? Math.min(firstRetryMs * 2 ** Math.min(count - 1, 20), longestRetryMs)
    : hopelessRetryMs;
  return { step, error, generation, count, retryAtMs: nowMs + Math.round(fullMs * (1 - 0.2 * random())) };
}
