// What a `viv` process answers with. Scripts decide by these numbers, so they never change meaning; docs/how-to/cli.md has the
// same table, and a test compares the two.

export const exitCodes = {
  ok: { code: 0, meaning: "The command did what it says." },
  failure: { code: 1, meaning: "It failed; the message says why and what to do." },
  usage: { code: 2, meaning: "The command line is wrong." },
  notFound: { code: 3, meaning: "A named object does not exist." },
  conflict: { code: 4, meaning: "The object exists already, or was changed by somebody else meanwhile." },
  invalid: { code: 5, meaning: "The manifest or object is not valid." },
  unreachable: { code: 6, meaning: "No API server answers." },
  manual: { code: 7, meaning: "The host needs something that only you can do; the commands are printed." },
  partial: { code: 8, meaning: "It was done for some of the objects, and not for others; the message names them." },
  timeout: { code: 124, meaning: "The time given with --timeout is over; the operation goes on in the server." },
  detached: { code: 130, meaning: "Interrupted with Ctrl-C; the operation goes on in the server." },
} as const;

export type ExitName = keyof typeof exitCodes;
