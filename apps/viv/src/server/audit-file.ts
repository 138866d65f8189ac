// The audit log of this server.

import { AuditFile } from "@vivarium/apiserver";
import type { Logger } from "pino";
import { CliUserError } from "../cli-error.ts";
import type { AccessChoice } from "./access-choice.ts";

export function openAuditFile(choice: NonNullable<AccessChoice["audit"]>, log: Logger): AuditFile {
  try {
    return new AuditFile({ path: choice.path, maxBytes: choice.maxBytes, keep: choice.keep, log });
  } catch (error) {
    throw new CliUserError(`Cannot write the audit log ${choice.path}: ${(error as Error).message}`, {
      fix: ["--audit-log FILE, in a folder that can be written; or --no-audit"],
      cause: error,
    });
  }
}
