// Whether a readiness gate is met, from the tries so far. Pure; the thresholds are those of a core/v1 Probe.
//
//               successThreshold successes in a row
//   not met ────────────────────────────────────────► met
//      ▲                                               │
//      └───────────────────────────────────────────────┘
//               failureThreshold failures in a row

/** How one try ended. `unknown`: it says nothing about the machine, since its host could not be asked. */
export interface ProbeOutcome {
  readonly kind: "success" | "failure" | "unknown";
  /** For programs, in CamelCase. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}

export interface GateState {
  readonly isMet: boolean;
  readonly sinceMs: number;
  /** Of the last try. */
  readonly reason: string;
  readonly message: string;
  /** Tries in a row that ended as the last one. */
  readonly streak: { readonly kind: "success" | "failure"; readonly count: number } | undefined;
}

export interface GateThresholds {
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

export function untriedGate(sinceMs: number): GateState {
  return { isMet: false, sinceMs, reason: "NotTried", message: "it was not tried yet", streak: undefined };
}

export function advanceGate(
  state: GateState,
  outcome: ProbeOutcome,
  { thresholds, nowMs }: { readonly thresholds: GateThresholds; readonly nowMs: number },
): GateState {
  const { kind, reason, message } = outcome;
  if (kind === "unknown") return { ...state, reason, message };
  const count = state.streak?.kind === kind ? state.streak.count + 1 : 1;
  const wanted = kind === "success" ? thresholds.successThreshold : thresholds.failureThreshold;
  const isSuccess = kind === "success";
  const isTurned = state.isMet !== isSuccess && count >= wanted;
  return {
    isMet: isTurned ? isSuccess : state.isMet,
    sinceMs: isTurned ? nowMs : state.sinceMs,
    reason,
    message,
    streak: { kind, count: Math.min(count, wanted) },
  };
}
