// Runs one controller: takes requests from its queue, as many at once as it allows, and turns each outcome into what comes next.

import { isStatus } from "@vivarium/api";
import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import { TerminalError } from "./controller.ts";
import type { Controller, ReconcileRequest, ReconcileResult } from "./controller.ts";
import type { ManagerMetrics, ReconcileOutcome } from "./metrics.ts";
import { WorkQueue } from "./work-queue.ts";
import type { Next } from "./work-queue.ts";

const defaultConcurrency = 4;

type Outcome =
  | { readonly kind: "success" }
  | { readonly kind: "requeue"; readonly afterMs: number }
  /** The object changed between our reading and our writing. */
  | { readonly kind: "conflict" }
  | { readonly kind: "error"; readonly error: unknown }
  | { readonly kind: "terminal"; readonly error: TerminalError }
  /** The manager stops. */
  | { readonly kind: "stopped" };

export class ReconcileLoop {
  readonly #controller: Controller;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #metrics: ManagerMetrics;
  readonly #queue: WorkQueue;
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #isPumpDue = false;

  constructor(
    controller: Controller,
    options: {
      readonly logger: Logger;
      readonly clock: Clock;
      readonly random: () => number;
      readonly metrics: ManagerMetrics;
    },
  ) {
    this.#controller = controller;
    this.#log = options.logger.child({ controller: controller.name });
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    const { clock, random } = options;
    this.#queue = new WorkQueue({ clock, random, onReady: () => this.#pumpSoon() });
    options.metrics.watchQueue(controller.for.kind, () => this.#queue.depth);
  }

  /** Requests before `run` wait for it. */
  enqueue(request: ReconcileRequest): void {
    this.#queue.add(`${request.namespace}/${request.name}`);
  }

  /** Until the signal aborts and what runs then has ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#pumpSoon();
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#queue.close();
    await Promise.all(this.#running);
  }

  #pumpSoon(): void {
    if (this.#isPumpDue || this.#signal === undefined) return;
    this.#isPumpDue = true;
    queueMicrotask(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  #pump(): void {
    const signal = this.#signal;
    if (signal === undefined || signal.aborted) return;
    const concurrency = this.#controller.concurrency ?? defaultConcurrency;
    while (this.#running.size < concurrency) {
      const key = this.#queue.take();
      if (key === undefined) return;
      const running = this.#runOne(key, signal).finally(() => {
        this.#running.delete(running);
        this.#pumpSoon();
      });
      this.#running.add(running);
    }
  }

  async #runOne(key: string, signal: AbortSignal): Promise<void> {
    const log = this.#log.child({ object: key });
    const startedMs = this.#clock.now();
    const outcome = await this.#reconcile(key, { signal, log });
    const seconds = (this.#clock.now() - startedMs) / 1000;
    if (outcome.kind !== "stopped")
      this.#metrics.reconciled(this.#controller.for.kind, outcome.kind satisfies ReconcileOutcome, seconds);
    this.#queue.done(key, this.#nextOf(outcome, log));
  }

  async #reconcile(key: string, { signal, log }: { signal: AbortSignal; log: Logger }): Promise<Outcome> {
    try {
      const failures = this.#queue.failures(key);
      return outcomeOf(await this.#controller.reconcile(requestOf(key), { signal, log, failures }));
    } catch (error) {
      if (signal.aborted) return { kind: "stopped" };
      if (error instanceof TerminalError) return { kind: "terminal", error };
      return isStatus(error, "Conflict") ? { kind: "conflict" } : { kind: "error", error };
    }
  }

  #nextOf(outcome: Outcome, log: Logger): Next {
    switch (outcome.kind) {
      case "success":
      case "stopped":
        return { kind: "done" };
      case "requeue":
        return { kind: "after", ms: outcome.afterMs };
      case "conflict":
        return { kind: "soon" };
      case "error":
        log.error({ err: outcome.error }, "reconcile failed; it will be tried again");
        return { kind: "failed" };
      case "terminal":
        log.error({ err: outcome.error }, "reconcile failed for good; it waits for a change");
        return { kind: "done" };
    }
    throw new TypeError(`Unknown outcome: ${JSON.stringify(outcome satisfies never)}`);
  }
}

function outcomeOf(result: ReconcileResult): Outcome {
  return result === undefined ? { kind: "success" } : { kind: "requeue", afterMs: result.requeueAfterMs };
}

function requestOf(key: string): ReconcileRequest {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
