// Dials a daemon through the system's ssh, with all that its user has set up there: keys, agent, jump hosts.

import type { Dialer } from "./dialer.ts";
import { ProcessStream } from "./process-stream.ts";
import { sshArguments } from "./ssh-command.ts";
import type { SshTarget } from "./ssh-command.ts";

export interface SshDialerOptions {
  /** The ssh to run; the one on the PATH when absent. */
  readonly sshCommand?: string;
}

export function sshDialer(target: SshTarget, options: SshDialerOptions = {}): Dialer {
  const address = `ssh:${target.user === undefined ? "" : `${target.user}@`}${target.host}`;
  return {
    address,
    isPrivate: true,
    dial({ signal }) {
      signal.throwIfAborted();
      return Promise.resolve(new ProcessStream(options.sshCommand ?? "ssh", sshArguments(target), address));
    },
  };
}
