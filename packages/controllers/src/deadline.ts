// A deadline on a call to a provider, so that one that never answers does not hold its VM for ever.

import { ProviderError } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";

export interface Deadline {
  readonly clock: Clock;
  /** For the message: `look at VM "web-1"`. */
  readonly what: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Throws Timeout when the deadline passes, and the signal's reason when that aborts. */
export async function withDeadline<T>(
  call: (signal: AbortSignal) => Promise<T>,
  { clock, what, deadlineMs, signal }: Deadline,
): Promise<T> {
  const over = new AbortController();
  const cancel = clock.after(deadlineMs, () =>
    over.abort(new ProviderError("Timeout", `Cannot ${what}: no answer within ${deadlineMs / 1000} s`)),
  );
  try {
    return await call(AbortSignal.any([signal, over.signal]));
  } catch (error) {
    if (over.signal.aborted && !signal.aborted) throw over.signal.reason;
    throw error;
  } finally {
    cancel();
  }
}
