// Guest agents of the simulated hypervisor: there once `connectAgent` was called, and running what the test says.

import type { GuestRole } from "../guest.ts";
import { ProviderError } from "../provider-error.ts";
import type { VmIdentity } from "../provider.ts";
import { requireOwn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";

export function simulatedGuest({ world, gate, guest }: SimulatedParts): GuestRole {
  const requireAgent = (vm: VmIdentity, action: string): void => {
    const domain = requireOwn(world, vm, action);
    if (domain.power !== "running") {
      const message = `Cannot ${action} VM "${vm.name}": domain is "${domain.power}", expected "running"`;
      throw new ProviderError("Conflict", message);
    }
    if (!domain.agentConnected) {
      throw new ProviderError("Conflict", `Cannot ${action} VM "${vm.name}": its guest agent is not connected`);
    }
  };
  return {
    ping: (vm, options) =>
      gate.run("guest.ping", { subject: vm.uid, options, act: () => requireAgent(vm, "ask the guest agent of") }),
    run: (vm, { command }, options) =>
      gate.run("guest.run", {
        subject: vm.uid,
        options,
        act() {
          requireAgent(vm, "run a command in");
          return guest.run(command);
        },
      }),
  };
}
