// The process: parse, run one command, turn what it throws into a message and an exit code.

import { CommanderError } from "commander";
import { exitCodes } from "./exit-codes.ts";
import { endQuietlyOnClosedPipe } from "./output/print.ts";
import { program } from "./program.ts";

endQuietlyOnClosedPipe();
try {
  await program().parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has told the user already. Help that was asked for is a success; help instead of a command is not.
    process.exitCode = error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code;
  } else {
    const { fail } = await import("./report-error.ts");
    fail(error);
  }
}
