// Runs host commands for set-up: as root directly, else through sudo (which may ask for a password on the terminal).

import { spawn } from "node:child_process";
import { CliUserError } from "../cli-error.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command and gives what it printed; a command that is not there has code 127. */
export async function runQuietly(
  command: string,
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal;
    readonly asRoot?: boolean;
    readonly env?: Readonly<Record<string, string>>;
    /** Called as output comes. */
    readonly onStdout?: () => void;
  } = {},
): Promise<CommandResult> {
  const [file, argv] = options.asRoot === true ? withRoot(command, args, options.env) : [command, args];
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...argv], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout.push(chunk);
      options.onStdout?.();
    });
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") resolve({ code: 127, stdout: "", stderr: `${file}: not found` });
      else reject(error);
    });
    child.on("close", (code) => {
      resolve({ code: code ?? 1, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** Runs a command as root that must succeed; its output is shown only when it fails. */
export async function runAsRoot(
  command: string,
  args: readonly string[],
  options: { readonly signal?: AbortSignal; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  const result = await runQuietly(command, args, { ...options, asRoot: true });
  if (result.code === 0) return;
  const output = `${result.stdout}\n${result.stderr}`.trim().split("\n").slice(-12).join("\n");
  throw new CliUserError(`\`${[command, ...args].join(" ")}\` failed with code ${result.code}:\n${output}`, {
    fix: ["Mend what it names, then run `viv setup` again; what is done stays done."],
  });
}

function withRoot(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> | undefined,
): [string, readonly string[]] {
  if (process.getuid?.() === 0) return [command, args];
  // sudo drops the environment, so variables are named on its own command line.
  const assignments = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`);
  return ["sudo", [...assignments, command, ...args]];
}
