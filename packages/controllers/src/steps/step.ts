// The steps that all plans share. Pure.

export type FinalizerStep = { readonly kind: "AddFinalizer" } | { readonly kind: "RemoveFinalizer" };

/** Nothing is to be done now. Of a situation `Gone` nothing is reported: there is nobody left to hear of it. */
export interface Settle<Situation> {
  readonly kind: "Settle";
  readonly situation: Situation;
  readonly lookAgainAtMs?: number;
}

/** The steps that are a kind's own. */
export type OwnStep<Step extends { readonly kind: string }> = Exclude<
  Step,
  FinalizerStep | { readonly kind: "Settle" }
>;

export function settle<Situation>(situation: Situation, lookAgainAtMs?: number): Settle<Situation> {
  return { kind: "Settle", situation, ...(lookAgainAtMs === undefined ? {} : { lookAgainAtMs }) };
}
