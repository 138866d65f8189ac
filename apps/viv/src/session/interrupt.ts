// Ctrl-C ends the waiting, not the work: what was asked for goes on in the server. The second Ctrl-C ends viv at once.

import { CliUserError } from "../cli-error.ts";
import { exitCodes } from "../exit-codes.ts";

/** Aborted with this reason when the user detaches. */
export class DetachedError extends Error {
  override readonly name = "DetachedError";
}

/** A signal for the length of one command; a disposed one leaves Ctrl-C to Node again. */
export function interruptSignal(): AbortSignal & Disposable {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.detached.code);
    controller.abort(new DetachedError("interrupted"));
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return Object.assign(controller.signal, {
    [Symbol.dispose]: () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    },
  });
}

/** What is said when the user detaches from `what`. */
export function detachedError(what: string, follow: readonly string[]): CliUserError {
  return new CliUserError(`Detached: ${what} goes on in the server.`, { fix: follow, exit: "detached" });
}
