// What the controllers of placed objects have in common beside the loop: a step that the host refuses is a problem that is told of, and
// tried again.

import type { ProviderError } from "@vivarium/provider";
import type { Clock, Manager, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { ReportOptions, SteppedKind } from "../steps/reconcile-in-steps.ts";
import { settle } from "../steps/step.ts";
import type { PlacedObject } from "./placed-object.ts";
import type { PlacedSituation } from "./placed-situation.ts";

export type PlacedReport<Look> = ReportOptions<Look, PlacedSituation>;

export interface PlacedKind<T extends PlacedObject, Look, Step extends { readonly kind: string }> extends Omit<
  SteppedKind<T, Look, Step, PlacedSituation>,
  "refused"
> {
  /** Why, in one word, and how long until it is tried again. */
  explain(error: ProviderError, step: Step): { readonly reason: string; readonly retryMs: number };
}

export function placedReconcile<T extends PlacedObject, Look, Step extends { readonly kind: string }>(
  kind: PlacedKind<T, Look, Step>,
  { manager, clock }: { readonly manager: Manager; readonly clock: Clock },
): (request: ReconcileRequest, context: ReconcileContext) => Promise<ReconcileResult> {
  return reconcileInSteps<T, Look, Step, PlacedSituation>(
    {
      ...kind,
      refused(_, error, { step }) {
        const { reason, retryMs } = kind.explain(error, step);
        const situation = { kind: "Problem", problem: { reason, message: error.message } } as const;
        return settle(situation, clock.now() + retryMs);
      },
    },
    { manager, clock },
  );
}
