// A question before what cannot be undone. Without an answer the answer is no.

import { createInterface } from "node:readline";
import { CliUserError } from "../cli-error.ts";

/** Throws when the answer is not yes. `what` says what will happen, in the words of the question. */
export async function confirm(what: string, options: { readonly signal: AbortSignal }): Promise<void> {
  process.stderr.write(`${what}\nGo on? [y/N] `);
  const answer = await readLine(options.signal);
  if (answer === undefined) process.stderr.write("\n");
  if (/^y(es)?$/i.test(answer?.trim() ?? "")) return;
  throw new CliUserError("Nothing was deleted.", {
    fix: answer === undefined ? ["There was nobody to ask: --yes deletes without asking."] : [],
  });
}

/** Undefined at the end of the input. */
async function readLine(signal: AbortSignal): Promise<string | undefined> {
  using lines = createInterface({ input: process.stdin, signal });
  for await (const line of lines) return line;
  return undefined;
}
