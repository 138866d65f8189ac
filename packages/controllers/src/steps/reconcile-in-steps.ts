// The loop of the controllers that act in steps: observe, decide, act one step, look again, until there is nothing to do now.
//
//   request ─► observe ─► decide (pure) ─┬─► one step ─► observe …
//                                        └─► Settle: what is so is reported, and when to look again
//
// The finalizer is held and let go here; all other steps, and what is said, are the kind's own.

import type { KubeObject, ResourceType } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { ProviderError } from "@vivarium/provider";
import { ensureFinalizer, removeFinalizer } from "@vivarium/runtime";
import type { Clock, Manager, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import type { FinalizerStep, Settle } from "./step.ts";

export interface ObserveOptions<Look> {
  /** Steps that were taken in this reconcile. */
  readonly done: ReadonlySet<string>;
  /** What was seen before the last step, in this reconcile. */
  readonly before: Look | undefined;
  readonly signal: AbortSignal;
}

export interface ReportOptions<Look, Situation> {
  readonly situation: Situation;
  readonly look: Look;
  readonly signal: AbortSignal;
}

export interface SteppedKind<
  T extends KubeObject,
  Look,
  Step extends { readonly kind: string },
  Situation extends { readonly kind: string },
> {
  readonly type: ResourceType<T>;
  readonly finalizer: string;
  /** More than an object ever needs, so that a plan that turns in circles is found out. Default 20. */
  readonly mostSteps?: number;
  observe(object: T, options: ObserveOptions<Look>): Look | Promise<Look>;
  decide(look: Look): Step | FinalizerStep | Settle<Situation>;
  act(object: T, step: Step, options: { readonly look: Look; readonly signal: AbortSignal }): Promise<void>;
  /** Where the hypervisor refuses a step. Absent: the error is thrown, and the runtime tries again with back-off. */
  refused?(object: T, error: ProviderError, options: { readonly step: Step; readonly look: Look }): Settle<Situation>;
  report(object: T, options: ReportOptions<Look, Situation>): Promise<void>;
  /** Ends what goes on for it: it is gone, or (`object` is there) its finalizer is about to be let go. */
  end?(request: ReconcileRequest, object: T | undefined): Promise<void> | void;
}

const defaultMostSteps = 20;

export function reconcileInSteps<
  T extends KubeObject,
  Look,
  Step extends { readonly kind: string },
  Situation extends { readonly kind: string },
>(
  kind: SteppedKind<T, Look, Step, Situation>,
  { manager, clock }: { readonly manager: Manager; readonly clock: Clock },
): (request: ReconcileRequest, context: ReconcileContext) => Promise<ReconcileResult> {
  const objects = manager.cache(kind.type);
  const { client } = manager;
  const { mostSteps = defaultMostSteps } = kind;

  async function reconcile(
    request: ReconcileRequest,
    { signal, log }: Pick<ReconcileContext, "signal" | "log">,
  ): Promise<ReconcileResult> {
    const done = new Set<string>();
    let before: Look | undefined;
    for (let count = 0; count < mostSteps; count++) {
      const object = objects.get(request);
      if (object === undefined) {
        await kind.end?.(request, undefined);
        return undefined;
      }
      const look = await kind.observe(object, { done, before, signal });
      const step = kind.decide(look);
      if (isSettle<Situation>(step)) return settle(object, step, { look, signal });
      log.info({ step: step.kind, phase: "start" }, "step");
      const refusal = await take(object, step, { request, look, signal });
      if (refusal !== undefined) {
        log.warn({ step: step.kind, phase: "failed", err: refusal.error }, "step failed");
        return settle(object, refusal.settle, { look, signal });
      }
      log.info({ step: step.kind, phase: "done" }, "step");
      if (step.kind === "RemoveFinalizer" && object.metadata.deletionTimestamp !== undefined) return undefined;
      done.add(step.kind);
      before = look;
    }
    const { namespace, name } = request;
    throw new Error(`Cannot settle ${kind.type.kind} "${namespace}/${name}": ${mostSteps} steps led nowhere`);
  }

  async function take(
    object: T,
    step: Step | FinalizerStep,
    {
      request,
      look,
      signal,
    }: { readonly request: ReconcileRequest; readonly look: Look; readonly signal: AbortSignal },
  ): Promise<{ readonly error: ProviderError; readonly settle: Settle<Situation> } | undefined> {
    const finalized = { type: kind.type, object, finalizer: kind.finalizer };
    if (isFinalizerStep(step)) {
      if (step.kind === "AddFinalizer") await ensureFinalizer(client, finalized, { signal });
      else {
        await kind.end?.(request, object);
        await removeFinalizer(client, finalized, { signal });
      }
      return undefined;
    }
    try {
      await kind.act(object, step, { look, signal });
      return undefined;
    } catch (error) {
      if (kind.refused === undefined || !isProviderError(error)) throw error;
      return { error, settle: kind.refused(object, error, { step, look }) };
    }
  }

  async function settle(
    object: T,
    { situation, lookAgainAtMs }: Settle<Situation>,
    options: { readonly look: Look; readonly signal: AbortSignal },
  ): Promise<ReconcileResult> {
    if (situation.kind === "Gone") return undefined;
    await kind.report(object, { situation, ...options });
    return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
  }

  return reconcile;
}

function isSettle<Situation>(step: { readonly kind: string }): step is Settle<Situation> {
  return step.kind === "Settle";
}

function isFinalizerStep(step: { readonly kind: string }): step is FinalizerStep {
  return step.kind === "AddFinalizer" || step.kind === "RemoveFinalizer";
}
