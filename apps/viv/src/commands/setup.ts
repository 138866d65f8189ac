// `viv setup`: the host's part, once and for all.

import { exitCodes } from "../exit-codes.ts";
import { print } from "../output/print.ts";
import { styled } from "../output/style.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { ensureDefaultNetwork } from "../setup/default-network.ts";
import { newLoginNote, runSetup, type SetupReport } from "../setup/run-setup.ts";

export async function setup(options: {
  readonly user?: string;
  readonly tpm?: boolean;
  readonly onlyNetwork?: boolean;
}): Promise<void> {
  using signal = interruptSignal();
  if (options.onlyNetwork === true) {
    const outcome = await ensureDefaultNetwork({ signal });
    print(outcome.length === 0 ? "already so" : outcome.join(", "));
    return;
  }
  const user = options.user === undefined ? {} : { user: options.user };
  const { newLoginFor } = await runSetup(setupReport(print), { ...user, wantsTpm: options.tpm === true, signal });
  if (newLoginFor.length > 0) print(newLoginNote(newLoginFor));
  process.exitCode = exitCodes.ok.code;
}

/** One line per step; `write` decides where. */
export function setupReport(write: (line: string) => void): SetupReport {
  const line = (mark: string, text: string): void => write(`${mark} ${text}`);
  return {
    doing: (text) => line(styled("cyan", "      …", process.stdout), text),
    done: (text) => line(styled("green", "   done", process.stdout), text),
    already: (text) => line(styled("dim", "already", process.stdout), text),
    note: (text) => line("   note", text),
  };
}
