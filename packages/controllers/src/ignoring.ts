// For writes that are repeated after a crash, or that somebody else was quicker with.

import { isStatus } from "@vivarium/api";

type Reason = "NotFound" | "AlreadyExists" | "Conflict";

/** Waits for the work; that this was so already is no error. */
export async function ignoring(reasons: Reason | readonly Reason[], work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (![reasons].flat().some((reason) => isStatus(error, reason))) throw error;
  }
}
