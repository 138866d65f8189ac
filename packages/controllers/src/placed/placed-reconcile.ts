// The loop that all controllers of placed objects share: look, decide, act one step, until there is none. The finalizer is held and let go
// here; all other steps, and what is said, are the kind's own.

import { formatKey } from "@vivarium/api";
import type { ResourceType } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { ProviderError } from "@vivarium/provider";
import { ensureFinalizer, removeFinalizer } from "@vivarium/runtime";
import type { Clock, Manager, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import type { PlacedObject } from "./placed-object.ts";
import type { PlacedSettle, PlacedSituation } from "./placed-situation.ts";

export type FinalizerStep = { readonly kind: "AddFinalizer" } | { readonly kind: "RemoveFinalizer" };

export interface PlacedKind<T extends PlacedObject, L, S extends { readonly kind: string }> {
  readonly type: ResourceType<T>;
  /** What the log calls it: `pool`. */
  readonly noun: string;
  readonly finalizer: string;
  /** `done`: steps that were taken in this reconcile. */
  look(object: T, options: { readonly done: ReadonlySet<string>; readonly signal: AbortSignal }): Promise<L>;
  decide(look: L): S | FinalizerStep | PlacedSettle;
  /** Throws a ProviderError where the host refuses. */
  act(object: T, step: S, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Why, in one word, and how long until it is tried again. */
  explain(error: ProviderError, step: S): { readonly reason: string; readonly retryMs: number };
  report(object: T, options: ReportOptions<L>): Promise<void>;
  /** The object is gone. */
  forget?(object: T): void;
}

export interface ReportOptions<L> {
  readonly situation: PlacedSituation;
  readonly look: L;
  readonly signal: AbortSignal;
}

const mostSteps = 20;

export function placedReconcile<T extends PlacedObject, L, S extends { readonly kind: string }>(
  kind: PlacedKind<T, L, S>,
  { manager, clock }: { readonly manager: Manager; readonly clock: Clock },
): (request: ReconcileRequest, context: ReconcileContext) => Promise<ReconcileResult> {
  const objects = manager.cache(kind.type);
  const { client } = manager;

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const { signal, log } = context;
    const done = new Set<string>();
    for (let count = 0; count < mostSteps; count++) {
      const object = objects.get(request);
      if (object === undefined) return undefined;
      const look = await kind.look(object, { done, signal });
      const step = kind.decide(look);
      if (isSettle(step)) return settle(object, { ...step, look, signal });
      const logged = { step: step.kind, [kind.noun]: formatKey(requestOf(object)) };
      log.info({ ...logged, phase: "start" }, "step");
      if (isFinalizerStep(step)) await hold(object, step, { signal });
      else {
        try {
          await kind.act(object, step, { signal });
        } catch (error) {
          if (!isProviderError(error)) throw error;
          const { reason, retryMs } = kind.explain(error, step);
          const situation = { kind: "Problem", problem: { reason, message: error.message } } as const;
          return settle(object, { situation, lookAgainAtMs: clock.now() + retryMs, look, signal });
        }
      }
      log.info({ ...logged, phase: "done" }, "step");
      if (step.kind === "RemoveFinalizer") return undefined;
      done.add(step.kind);
    }
    throw new Error(`Cannot settle ${kind.type.kind} "${request.name}": ${mostSteps} steps led nowhere`);
  }

  async function hold(object: T, step: FinalizerStep, options: { readonly signal: AbortSignal }): Promise<void> {
    const target = { type: kind.type, object, finalizer: kind.finalizer };
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(client, target, options);
        return;
      case "RemoveFinalizer":
        await removeFinalizer(client, target, options);
        kind.forget?.(object);
    }
  }

  async function settle(
    object: T,
    { lookAgainAtMs, ...outcome }: ReportOptions<L> & { readonly lookAgainAtMs?: number },
  ): Promise<ReconcileResult> {
    if (outcome.situation.kind === "Gone") return undefined;
    await kind.report(object, outcome);
    return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
  }

  return reconcile;
}

function isSettle(step: { readonly kind: string }): step is PlacedSettle {
  return step.kind === "Settle";
}

function isFinalizerStep(step: { readonly kind: string }): step is FinalizerStep {
  return step.kind === "AddFinalizer" || step.kind === "RemoveFinalizer";
}
