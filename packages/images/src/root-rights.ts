// Root's rights over a tree of files: those of root itself, else of root in a user namespace, where the users of the tree are
// subordinate ids (subuid(5)) of this one. What lies outside is as out of reach as ever.

import { rm } from "node:fs/promises";
import { ImageError } from "./image-source.ts";
import { CommandError, runCommand } from "./run-command.ts";
import type { CommandOptions } from "./run-command.ts";

const namespace = ["--user", "--map-root-user", "--map-auto", "--"];

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** As `runCommand`. */
export function runWithRootRights(command: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return isRoot()
    ? runCommand(command, args, options)
    : runCommand("unshare", [...namespace, command, ...args], options);
}

/** Throws Unsupported, with the reason, where neither way is open. */
export async function requireRootRights(action: string, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  try {
    await runWithRootRights("true", [], { signal });
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    throw new ImageError(
      "Unsupported",
      `Cannot ${action}: not root, and this user cannot be root of a namespace: ${cause.message} (needed: the package uidmap, ids in /etc/subuid and /etc/subgid; viv setup sees to both)`,
      { cause },
    );
  }
}

/** Removes a folder with all that is in it, whoever of the namespace it belongs to. Success when absent. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (isRoot() || !["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    await runWithRootRights("rm", ["-rf", "--", path], { signal: AbortSignal.timeout(60_000) });
  }
}
