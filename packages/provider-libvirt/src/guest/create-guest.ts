// The guest agent, asked through libvirt: whether it is there, and to run a command. A command's end is asked for, since the agent does not
// tell it.

import { isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, GuestCommand, GuestOutcome, GuestRole, VmIdentity } from "@vivarium/provider";
import { requireOwnDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { isCommandEnabled, readExecStatus, readPid } from "./agent-reply.ts";

/** The daemon's own wait for the agent's answer to one command. */
const agentTimeoutSeconds = 5;
const firstLookMs = 20;
const mostBetweenLooksMs = 500;

type Ask = (command: string, args?: Readonly<Record<string, unknown>>) => Promise<string>;

export function createGuest(host: LibvirtHost): GuestRole {
  function withAgent<T>(
    vm: VmIdentity,
    action: string,
    { run, options }: { readonly run: (ask: Ask) => Promise<T>; readonly options: CallOptions | undefined },
  ): Promise<T> {
    return host.attempt(
      `${action} VM "${vm.name}"`,
      async (libvirt) => {
        const { domain, view, power } = await requireOwnDomain(libvirt, { vm, options, action });
        if (power.power !== "running") {
          const message = `Cannot ${action} VM "${vm.name}": domain is "${power.power}", expected "running"`;
          throw new ProviderError("Conflict", message);
        }
        if (!view.agentConnected) {
          throw new ProviderError("Conflict", `Cannot ${action} VM "${vm.name}": its guest agent is not connected`);
        }
        try {
          return await run(askerOf(libvirt, domain, options));
        } catch (error) {
          if (!isLibvirtError(error, "AGENT_UNRESPONSIVE") && !isLibvirtError(error, "AGENT_UNSYNCED")) throw error;
          const message = `Cannot ${action} VM "${vm.name}": its guest agent does not answer`;
          throw new ProviderError("Conflict", message, { cause: error });
        }
      },
      options,
    );
  }

  return {
    ping: (vm, options) =>
      withAgent(vm, "ask the guest agent of", {
        options,
        run: async (ask) => void (await ask("guest-ping")),
      }),
    run: (vm, command, options) =>
      withAgent(vm, "run a command in", { options, run: (ask) => runCommand(ask, { host, vm, command, options }) }),
  };
}

function askerOf(libvirt: Libvirt, domain: Domain, options: CallOptions | undefined): Ask {
  return (execute, args) =>
    libvirt.qemuDomainAgentCommand(
      domain,
      JSON.stringify({ execute, ...(args === undefined ? {} : { arguments: args }) }),
      { ...options, agentTimeoutSeconds },
    );
}

async function runCommand(
  ask: Ask,
  {
    host,
    vm,
    command,
    options,
  }: {
    readonly host: LibvirtHost;
    readonly vm: VmIdentity;
    readonly command: GuestCommand;
    readonly options: CallOptions | undefined;
  },
): Promise<GuestOutcome> {
  const [path, ...arg] = command.command;
  const deadlineMs = host.clock.now() + command.timeoutMs;
  const pid = await begin(ask, { vm, path, arg });
  for (let waitMs = firstLookMs; ; waitMs = Math.min(2 * waitMs, mostBetweenLooksMs)) {
    const status = readExecStatus(await ask("guest-exec-status", { pid }));
    if (status.kind === "ended") return status.outcome;
    if (host.clock.now() >= deadlineMs) {
      const message = `Cannot run a command in VM "${vm.name}": "${path}" was not done within ${command.timeoutMs} ms; it goes on in the guest`;
      throw new ProviderError("Timeout", message);
    }
    await host.clock.delay(waitMs, options);
  }
}

async function begin(
  ask: Ask,
  { vm, path, arg }: { readonly vm: VmIdentity; readonly path: string; readonly arg: readonly string[] },
): Promise<number> {
  try {
    return readPid(await ask("guest-exec", { path, arg, "capture-output": true }));
  } catch (error) {
    // libvirt has one code for all that the agent refuses.
    if (isLibvirtError(error, "INTERNAL_ERROR") && !isCommandEnabled(await ask("guest-info"), "guest-exec")) {
      const message = `Cannot run a command in VM "${vm.name}": its guest agent runs none (guest-exec is switched off there)`;
      throw new ProviderError("Unsupported", message, { cause: error });
    }
    throw error;
  }
}
