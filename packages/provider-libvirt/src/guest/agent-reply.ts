// Answers of the QEMU guest agent, read from JSON: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html. Pure.

import { ProviderError } from "@vivarium/provider";
import type { GuestOutcome } from "@vivarium/provider";

export type ExecStatus = { readonly kind: "running" } | { readonly kind: "ended"; readonly outcome: GuestOutcome };

/** Of guest-exec. */
export function readPid(reply: string): number {
  const pid = fieldsOf(reply)["pid"];
  if (typeof pid !== "number") throw strange("guest-exec", reply);
  return pid;
}

/** Of guest-exec-status. */
export function readExecStatus(reply: string): ExecStatus {
  const fields = fieldsOf(reply);
  if (fields["exited"] === false) return { kind: "running" };
  const { exitcode, signal } = fields;
  const exitCode = typeof exitcode === "number" ? exitcode : typeof signal === "number" ? 128 + signal : undefined;
  if (fields["exited"] !== true || exitCode === undefined) throw strange("guest-exec-status", reply);
  return {
    kind: "ended",
    outcome: { exitCode, stdout: textOf(fields["out-data"]), stderr: textOf(fields["err-data"]) },
  };
}

/** Of guest-info: whether the agent knows the command and its configuration allows it. */
export function isCommandEnabled(reply: string, command: string): boolean {
  const commands = fieldsOf(reply)["supported_commands"];
  if (!Array.isArray(commands)) throw strange("guest-info", reply);
  return commands.some((each: unknown) => isRecord(each) && each["name"] === command && each["enabled"] === true);
}

function fieldsOf(reply: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(reply);
  const fields = isRecord(parsed) ? parsed["return"] : undefined;
  return isRecord(fields) ? fields : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(base64: unknown): string {
  return typeof base64 === "string" ? Buffer.from(base64, "base64").toString("utf8") : "";
}

function strange(command: string, reply: string): ProviderError {
  return new ProviderError("Internal", `The guest agent answered ${command} in a way that is not understood: ${reply}`);
}
