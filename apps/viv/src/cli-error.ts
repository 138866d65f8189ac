// An error that the user can mend: shown without a stack, with what to do. Anything else that is thrown is a bug or a fault of a
// peer, and `report-error.ts` decides how it is shown.

import type { ExitName } from "./exit-codes.ts";

export class CliUserError extends Error {
  override readonly name = "CliUserError";
  /** What to do, one command or sentence a line. */
  readonly fix: readonly string[];
  readonly exit: ExitName;

  constructor(message: string, options: { fix?: readonly string[]; exit?: ExitName; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.fix = options.fix ?? [];
    this.exit = options.exit ?? "failure";
  }
}
