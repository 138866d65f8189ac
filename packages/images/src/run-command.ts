// Runs a host tool in a process group of its own, so that aborting takes its children with it.

import { spawn } from "node:child_process";
import { delimiter } from "node:path";
import { createInterface } from "node:readline";

export interface CommandOptions {
  readonly signal: AbortSignal;
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Each line of standard output and standard error, as it comes. */
  readonly onLine?: (line: string) => void;
  /** Told once the process runs; its process group has the same number. */
  readonly onStart?: (pid: number) => void;
}

/** The tool ran and failed, or could not be started (`exitCode` undefined). */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly command: string;
  readonly exitCode: number | undefined;
  /** The last lines of standard error. */
  readonly stderr: string;

  constructor(
    message: string,
    options: { command: string; exitCode: number | undefined; stderr: string; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.command = options.command;
    this.exitCode = options.exitCode;
    this.stderr = options.stderr;
  }
}

const termGraceMs = 5000;
const keptStderrLines = 40;

/** Tools of the administrator are not in every user's PATH. */
export const toolPath = [process.env["PATH"] ?? "", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].join(delimiter);

/** Resolves with standard output. Rejects with the signal's reason when aborted, else with CommandError. */
export async function runCommand(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  options.signal.throwIfAborted();
  const child = spawn(command, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8", ...options.env, PATH: toolPath },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  if (child.pid !== undefined) options.onStart?.(child.pid);

  const stdout: string[] = [];
  const stderr: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    stdout.push(line);
    options.onLine?.(line);
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    stderr.push(line);
    if (stderr.length > keptStderrLines) stderr.shift();
    options.onLine?.(line);
  });

  let killTimer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    killGroup(child.pid, "SIGTERM");
    killTimer = setTimeout(() => killGroup(child.pid, "SIGKILL"), termGraceMs);
  };
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { code, signal } = await exited(child);
    options.signal.throwIfAborted();
    if (code === 0) return stdout.join("\n");
    const how = code === null ? `was ended by ${signal ?? "a signal"}` : `exit code is ${code}`;
    const tail = stderr.slice(-5).join("\n");
    throw new CommandError(`Cannot run ${command}: ${how}, expected 0${tail === "" ? "" : `\n${tail}`}`, {
      command,
      exitCode: code ?? undefined,
      stderr: stderr.join("\n"),
    });
  } catch (cause) {
    options.signal.throwIfAborted();
    if (cause instanceof CommandError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`Cannot start ${command}: ${text}`, { command, exitCode: undefined, stderr: "", cause });
  } finally {
    // After an abort the leader may be gone while a child of it still runs.
    if (options.signal.aborted) killGroup(child.pid, "SIGKILL");
    clearTimeout(killTimer);
    options.signal.removeEventListener("abort", onAbort);
  }
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

function exited(child: ReturnType<typeof spawn>): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>();
  child.once("error", reject);
  child.once("close", (code, signal) => resolve({ code, signal }));
  return promise;
}

/** A group that has ended already is what was wanted. */
export function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
