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
/** ssh's own failure, as against the remote command's. */
const sshFailed = 255;
/** cloud-init: done, with errors from which it recovered. */
const cloudInitRecovered = 2;

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
  // One login for both: under emulation the key exchange alone takes seconds.
  const command = [...login, "uname -a && cloud-init status --wait"];
  const attempt = (): ReturnType<typeof runQuietly> =>
    runQuietly("ssh", command, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(Math.max(1_000, deadline - Date.now()))]),
      onStdout: () => board.set(label, "logged in; waiting for cloud-init to finish"),
    });
  let answer = await attempt();
  while (answer.code === sshFailed && answer.stdout === "" && Date.now() < deadline) {
    board.set(label, `waiting for a login on ${target.ip}: ${answer.stderr.trim().split("\n").at(-1) ?? ""}`);
    await delay(retryMs, undefined, { signal });
    answer = await attempt();
  }
  board.remove(label);
  const [uname = "", ...rest] = answer.stdout.split("\n");
  const cloudInit = rest.join(" ").replaceAll(".", "").trim();
  if (answer.code !== 0 && answer.code !== cloudInitRecovered) {
    throw failed(target, `${cloudInit} ${answer.stderr.trim()} (code ${answer.code})`.trim());
  }
  return { uname, cloudInit };
}

function failed({ vm, user, ip }: SshTarget, what: string): CliUserError {
  const { name } = vm.metadata;
  return new CliUserError(`VM "${name}" is Ready, but cannot be proved over SSH (${user}@${ip}): ${what}`, {
    fix: [`viv ssh ${name}`, `viv logs ${name} --tail 40`, `viv ssh ${name} -- sudo cloud-init status --long`],
  });
}
