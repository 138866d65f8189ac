// What the guest agent does for others: says that it is there, and runs a command.

import type { CallOptions, VmIdentity } from "./provider.ts";

export interface GuestCommand {
  /** Path of the program, or its name, and its arguments; no shell reads them. */
  readonly command: readonly [string, ...string[]];
  /** How long it may take. What runs longer goes on in the guest, and the call ends with Timeout. */
  readonly timeoutMs: number;
}

export interface GuestOutcome {
  /** 128 and the signal's number for what was killed, as shells have it. */
  readonly exitCode: number;
  /** What it wrote to its standard output and error, as far as the agent kept it. */
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * NotFound without a domain; Conflict when that is foreign or not running, or when its agent is not connected or does not answer;
 * Unavailable when the host does not.
 */
export interface GuestRole {
  /** Whether the agent answers. */
  ping(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Runs a command and waits for its end. Unsupported when the agent runs none. */
  run(vm: VmIdentity, command: GuestCommand, options?: CallOptions): Promise<GuestOutcome>;
}
