// Runs qemu-img on files from elsewhere: with no network, and with limits on memory and on what it writes. The callers name the format of
// what it reads; it is never left to guess one from bytes that a stranger chose.

import { requireTools } from "./host-tools.ts";
import { CommandError, runCommand } from "./run-command.ts";

export interface QemuImgOptions {
  /** Completes "Cannot …", for the message when it is not installed. */
  readonly action: string;
  readonly signal: AbortSignal;
  /** No file may grow beyond. */
  readonly maxFileBytes?: number;
  readonly onLine?: (line: string) => void;
}

/** What conversions were seen to need is a tenth of it. */
const maxMemoryBytes = 2 * 2 ** 30;

/** A network namespace of its own has nothing but a loopback that is down. Without rights it takes a user namespace too. */
const enclosures: readonly (readonly string[])[] = [
  ["unshare", "--net", "--"],
  ["unshare", "--user", "--map-current-user", "--net", "--"],
];

let enclosure: Promise<readonly string[]> | undefined;

/** Rejects with the signal's reason, or CommandError. */
export async function qemuImg(args: readonly string[], options: QemuImgOptions): Promise<string> {
  const { action, signal, maxFileBytes, onLine } = options;
  await requireTools(action, [{ name: "qemu-img", debianPackage: "qemu-utils" }]);
  enclosure ??= findEnclosure();
  const limits = [`--as=${maxMemoryBytes}`, "--core=0"];
  if (maxFileBytes !== undefined) limits.push(`--fsize=${Math.max(0, Math.floor(maxFileBytes))}`);
  const [command = "", ...rest] = [...(await enclosure), "prlimit", ...limits, "--", "qemu-img", ...args];
  return runCommand(command, rest, { signal, ...(onLine === undefined ? {} : { onLine }) });
}

/** Empty where the kernel grants no namespace (inside some containers): then it is the checks before it alone that keep it from the network. */
async function findEnclosure(): Promise<readonly string[]> {
  for (const candidate of enclosures) {
    const [command, ...rest] = [...candidate, "true"];
    try {
      await runCommand(command, rest, { signal: AbortSignal.timeout(10_000) });
      return candidate;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
    }
  }
  return [];
}
