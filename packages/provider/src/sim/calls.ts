// The way every call into the simulated hypervisor goes: recorded, delayed, cut off when disconnected, and met by fault rules.

import type { Clock } from "../clock.ts";
import { ProviderError } from "../provider-error.ts";
import type { CallOptions } from "../provider.ts";
import type { FaultRules, SimulatedMethod } from "./faults.ts";
import type { SimulatedWorld } from "./world.ts";

export interface SimulatedCall {
  readonly method: SimulatedMethod;
  /** uid of the VM, or the image's digest; empty for others. */
  readonly subject: string;
  outcome: "pending" | "ok" | "failed" | "answer-lost";
}

export class CallGate {
  readonly log: SimulatedCall[] = [];
  readonly #world: SimulatedWorld;
  readonly #faults: FaultRules;
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #keepsLog: boolean;

  constructor(parts: {
    world: SimulatedWorld;
    faults: FaultRules;
    clock: Clock;
    latencyMs: number;
    keepsLog: boolean;
  }) {
    this.#world = parts.world;
    this.#faults = parts.faults;
    this.#clock = parts.clock;
    this.#latencyMs = parts.latencyMs;
    this.#keepsLog = parts.keepsLog;
  }

  async run<T>(
    method: SimulatedMethod,
    call: { readonly subject?: string; readonly options: CallOptions | undefined; readonly act: () => T | Promise<T> },
  ): Promise<T> {
    const entry: SimulatedCall = { method, subject: call.subject ?? "", outcome: "pending" };
    if (this.#keepsLog) this.log.push(entry);
    const signal = call.options?.signal;
    try {
      signal?.throwIfAborted();
      // Yields even without latency, as a real call does.
      await (this.#latencyMs > 0
        ? this.#clock.delay(this.#latencyMs, signal === undefined ? {} : { signal })
        : undefined);
      this.#requireConnection(method);
      const fault = this.#faults.take(method);
      if (fault?.effect === "hang") await hangUntilAborted(signal);
      if (fault?.effect === "fail") throw fault.error;
      const result = await call.act();
      if (fault?.effect === "lose-answer") {
        entry.outcome = "answer-lost";
        throw fault.error;
      }
      entry.outcome = "ok";
      return result;
    } catch (error) {
      if (entry.outcome !== "answer-lost") entry.outcome = "failed";
      throw error;
    }
  }

  #requireConnection(method: SimulatedMethod): void {
    if (!this.#world.connected) {
      throw new ProviderError(
        "Unavailable",
        `Cannot call ${method}: the hypervisor is disconnected, expected connected`,
      );
    }
  }
}

function hangUntilAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
