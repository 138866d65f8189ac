// What a piece of work failed of, in the words of a condition. Pure.

import { isProviderError } from "@vivarium/provider";

interface WorkProblem {
  /** In one word. */
  readonly reason: string;
  readonly message: string;
}

export function problemOf(error: unknown): WorkProblem {
  return { reason: isProviderError(error) ? error.code : "Internal", message: messageOf(error) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
