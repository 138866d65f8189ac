// Tries readiness gates again and again, each at its own pace, and tells its owner when one of them changes. What it knows is lost with the
// process: it begins with what the owner's status said.

import { formatKey } from "@vivarium/api";
import type { ReadinessGate } from "@vivarium/api";
import type { Clock, ReconcileRequest } from "@vivarium/runtime";

import { advanceGate } from "./gate-plan.ts";
import type { GateState, ProbeOutcome } from "./gate-plan.ts";

export interface GateTarget {
  /** Names the gate and the run of the machine: another start, or another demand, begins anew. */
  readonly key: string;
  readonly gate: ReadinessGate;
  readonly initial: GateState;
  readonly firstTryAtMs: number;
  /** Never throws. */
  readonly probe: (options: { readonly signal: AbortSignal; readonly timeoutMs: number }) => Promise<ProbeOutcome>;
}

interface Probing {
  state: GateState;
  readonly abort: AbortController;
}

export class GateProber {
  readonly #clock: Clock;
  readonly #onChange: (owner: ReconcileRequest) => void;
  readonly #byOwner = new Map<string, Map<string, Probing>>();

  constructor(options: { readonly clock: Clock; readonly onChange: (owner: ReconcileRequest) => void }) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
  }

  knows(owner: ReconcileRequest): boolean {
    return this.#byOwner.has(formatKey(owner));
  }

  /** Tries these gates of the owner from now on, and no others. */
  keep(owner: ReconcileRequest, targets: readonly GateTarget[]): void {
    const ownerKey = formatKey(owner);
    const known = this.#byOwner.get(ownerKey) ?? new Map<string, Probing>();
    const wanted = new Set(targets.map(({ key }) => key));
    for (const [key, { abort }] of known) {
      if (wanted.has(key)) continue;
      abort.abort();
      known.delete(key);
    }
    for (const target of targets) {
      if (known.has(target.key)) continue;
      const probing: Probing = { state: target.initial, abort: new AbortController() };
      known.set(target.key, probing);
      void this.#run(owner, target, probing);
    }
    this.#byOwner.set(ownerKey, known);
  }

  stateOf(owner: ReconcileRequest, key: string): GateState | undefined {
    return this.#byOwner.get(formatKey(owner))?.get(key)?.state;
  }

  forget(owner: ReconcileRequest): void {
    this.keep(owner, []);
    this.#byOwner.delete(formatKey(owner));
  }

  stop(): void {
    for (const known of this.#byOwner.values()) for (const { abort } of known.values()) abort.abort();
    this.#byOwner.clear();
  }

  async #run(owner: ReconcileRequest, { gate, firstTryAtMs, probe }: GateTarget, probing: Probing): Promise<void> {
    const { signal } = probing.abort;
    const timeoutMs = (gate.timeoutSeconds ?? 3) * 1000;
    const periodMs = (gate.periodSeconds ?? 10) * 1000;
    const thresholds = { successThreshold: gate.successThreshold ?? 1, failureThreshold: gate.failureThreshold ?? 3 };
    for (let waitMs = firstTryAtMs - this.#clock.now(); await this.#waits(waitMs, signal); waitMs = periodMs) {
      const outcome = await probe({ signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), timeoutMs });
      if (signal.aborted) return;
      const was = probing.state;
      probing.state = advanceGate(was, outcome, { thresholds, nowMs: this.#clock.now() });
      if (isNews(was, probing.state)) this.#onChange(owner);
    }
  }

  /** False when it is not wanted any longer. */
  async #waits(ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      if (ms > 0) await this.#clock.delay(ms, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }
}

function isNews(was: GateState, is: GateState): boolean {
  return was.isMet !== is.isMet || was.reason !== is.reason || was.message !== is.message;
}
