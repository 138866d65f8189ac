// `viv ssh`: the system's ssh with address, user, key and host key filled in. Its exit code is ours.

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { connect } from "../session/connect.ts";
import { guestUser } from "../session/guest-user.ts";
import { dropStaleHostKeys, sshArguments } from "../session/ssh-command.ts";
import { firstAddress, onlyVm } from "../session/vm.ts";

interface SshOptions extends GlobalOptions {
  readonly login?: string;
  readonly identity?: string;
}

export async function ssh(name: string | undefined, command: readonly string[], options: SshOptions): Promise<void> {
  const args = await prepare(name, options);
  process.exitCode = await run([...args, ...command]);
}

async function prepare(given: string | undefined, options: SshOptions): Promise<readonly string[]> {
  await using session = await connect(options);
  const name = given ?? (await onlyVm(session));
  const { vm, ip } = await firstAddress(session.client, { namespace: session.namespace, name });
  const user = options.login ?? (await guestUser(session.client, vm));
  dropStaleHostKeys(vm, session.stateDir);
  return sshArguments(
    { vm, ip, user },
    { stateDir: session.stateDir, ...(options.identity === undefined ? {} : { identity: options.identity }) },
  );
}

function run(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", [...args], { stdio: "inherit" });
    // Ctrl-C belongs to the remote side; ssh tells us how it ended.
    process.on("SIGINT", () => undefined);
    child.on("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "ENOENT" ? new CliUserError("There is no ssh on this machine.", { fix: ["viv setup"] }) : error,
      );
    });
    child.on("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
