// For writes that are repeated after a crash, or that somebody else was quicker with.

import { isStatus } from "@vivarium/api";

/** Waits for the work; that this was so already is no error. */
export async function ignoring(reason: "NotFound" | "AlreadyExists", work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isStatus(error, reason)) throw error;
  }
}
