// What a failed command says and which code it ends with. The only place that turns errors into either.

import { StatusError, VirtualMachine } from "@vivarium/api";
import { ConnectionError, KubeconfigError } from "@vivarium/client";
import { CliUserError } from "./cli-error.ts";
import { exitCodes, type ExitName } from "./exit-codes.ts";
import { asTyped } from "./output/as-typed.ts";
import { styled } from "./output/style.ts";
import { DetachedError } from "./session/interrupt.ts";

export interface ErrorReport {
  readonly exit: ExitName;
  readonly message: string;
  readonly fix: readonly string[];
  /** Shown only for errors that nobody foresaw. */
  readonly stack?: string;
}

export function reportOf(error: unknown): ErrorReport {
  if (error instanceof CliUserError) return { exit: error.exit, message: error.message, fix: error.fix };
  if (error instanceof StatusError) return reportOfStatus(error);
  if (error instanceof ConnectionError) {
    const message = error.message.replace(`. ${error.advice}`, "");
    const fix = error.code === "Refused" ? ["viv server --detach", "viv up"] : [error.advice];
    return { exit: "unreachable", message, fix };
  }
  if (error instanceof KubeconfigError) {
    const isMissing = error.code === "NotFound";
    return {
      exit: isMissing ? "unreachable" : "failure",
      message: isMissing ? "No server has been started here: there is no kubeconfig in the state dir." : error.message,
      fix: isMissing ? ["viv server --detach", "viv up"] : [],
    };
  }
  if (error instanceof DetachedError) return { exit: "detached", message: "Interrupted.", fix: [] };
  const message = error instanceof Error ? error.message : String(error);
  return {
    exit: "failure",
    message,
    fix: [],
    ...(error instanceof Error && error.stack !== undefined ? { stack: stackOf(error) } : {}),
  };
}

function reportOfStatus(error: StatusError): ErrorReport {
  const causes = error.details.causes ?? [];
  const message = [error.message, ...causes.map((cause) => `  ${cause.field}: ${cause.message}`)].join("\n");
  const isUnknownVm = error.reason === "NotFound" && error.details.kind === VirtualMachine.plural;
  return {
    exit: exitOfStatus(error),
    message: causes.length > 1 ? message : error.message,
    fix: isUnknownVm ? ["viv list"] : [],
  };
}

function exitOfStatus(error: StatusError): ExitName {
  switch (error.reason) {
    case "NotFound":
      return "notFound";
    case "AlreadyExists":
    case "Conflict":
      return "conflict";
    case "Invalid":
    case "BadRequest":
      return "invalid";
    case "ServiceUnavailable":
      return "unreachable";
    case "Unauthorized":
    case "Forbidden":
    case "MethodNotAllowed":
    case "NotAcceptable":
    case "Gone":
    case "Expired":
    case "RequestEntityTooLarge":
    case "UnsupportedMediaType":
    case "TooManyRequests":
    case "InternalError":
    case "NotImplemented":
    case "Timeout":
    case "InsufficientStorage":
      return "failure";
  }
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\nCaused by: ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

/** Writes the error to stderr and sets the process's exit code. */
export function fail(error: unknown): void {
  const report = reportOf(error);
  const lines = [
    `${styled(report.exit === "detached" ? "yellow" : "red", report.exit === "detached" ? "viv:" : "error:")} ${report.message}`,
  ];
  for (const line of report.fix)
    lines.push(`  ${styled("cyan", report.exit === "detached" ? "follow:" : "fix:")} ${asTyped(line)}`);
  if (report.stack !== undefined && process.env["VIV_DEBUG"] !== undefined) lines.push(report.stack);
  process.stderr.write(`${lines.join("\n")}\n`);
  process.exitCode = exitCodes[report.exit].code;
}
