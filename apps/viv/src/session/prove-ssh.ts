// The proof that a VM is what was asked for: not that the server says so, but that one can log in and cloud-init has finished.

import { setTimeout as delay } from "node:timers/promises";
import { CliUserError } from "../cli-error.ts";
import type { Board } from "../output/board.ts";
import { runQuietly } from "../setup/run-host-command.ts";
import type { StateDir } from "../state-dir.ts";
import { dropStaleHostKeys, sshArguments, type SshTarget } from "./ssh-command.ts";

export interface SshProof {
  readonly uname: string;
  readonly cloudInit: string;
}

const retryMs = 500;

/** Waits until SSH lets us in; throws with ssh's own words when it does not in time. */
export async function proveSsh(
  target: SshTarget,
  options: {
    readonly stateDir: StateDir;
    readonly board: Board;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<SshProof> {
  const { stateDir, board, signal } = options;
  const name = target.vm.metadata.name;
  const label = `ssh/${name}`;
  dropStaleHostKeys(target.vm, stateDir);
  const login = sshArguments(target, { stateDir, isBatch: true });
  const deadline = Date.now() + options.timeoutMs;
  board.set(label, `waiting for the SSH server on ${target.ip}`);
  let uname = await runQuietly("ssh", [...login, "uname", "-a"], { signal });
  while (uname.code === 255 && Date.now() < deadline) {
    board.set(label, `waiting for a login on ${target.ip}: ${uname.stderr.trim().split("\n").at(-1) ?? ""}`);
    await delay(retryMs, undefined, { signal });
    uname = await runQuietly("ssh", [...login, "uname", "-a"], { signal });
  }
  if (uname.code !== 0) throw failed(target, `uname -a failed with code ${uname.code}: ${uname.stderr.trim()}`);
  board.set(label, "logged in; waiting for cloud-init to finish");
  const waiting = AbortSignal.any([signal, AbortSignal.timeout(Math.max(1_000, deadline - Date.now()))]);
  const cloudInit = await runQuietly("ssh", [...login, "cloud-init", "status", "--wait"], { signal: waiting });
  board.remove(label);
  const status = cloudInit.stdout.replaceAll(".", "").trim();
  // 2 is "done, with recoverable errors", by cloud-init's own manual.
  if (cloudInit.code !== 0 && cloudInit.code !== 2) {
    throw failed(target, `cloud-init status --wait: ${status} ${cloudInit.stderr.trim()}`);
  }
  return { uname: uname.stdout.trim(), cloudInit: status };
}

function failed({ vm, user, ip }: SshTarget, what: string): CliUserError {
  const { name } = vm.metadata;
  return new CliUserError(`VM "${name}" is Ready, but cannot be proved over SSH (${user}@${ip}): ${what}`, {
    fix: [`viv ssh ${name}`, `viv logs ${name} --tail 40`, `viv ssh ${name} -- sudo cloud-init status --long`],
  });
}
