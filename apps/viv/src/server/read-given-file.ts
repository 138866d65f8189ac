// A file that an option names.

import { readFileSync } from "node:fs";
import { CliUserError } from "../cli-error.ts";

export function readGivenFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliUserError(`Cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
      exit: "usage",
      cause: error,
    });
  }
}
