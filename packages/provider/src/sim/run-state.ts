// VMs of the simulated hypervisor, paused, saved, rebooted and reset as libvirt does it.

import { ProviderError } from "../provider-error.ts";
import type { CallOptions, PowerState, VmIdentity } from "../provider.ts";
import type { RunStateRole } from "../run-state.ts";
import { boot, requireOwn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain } from "./world.ts";

export function simulatedRunState({ world, gate, guest }: SimulatedParts): RunStateRole {
  const role =
    (method: keyof RunStateRole, act: (domain: SimulatedDomain, vm: VmIdentity) => void) =>
    (vm: VmIdentity, options?: CallOptions): Promise<void> =>
      gate.run(`runState.${method}`, {
        subject: vm.uid,
        options,
        act: () => act(requireOwn(world, vm, words[method]), vm),
      });
  return {
    pause: role("pause", (domain, vm) => {
      if (domain.power === "paused") return;
      requirePower(domain, vm, { method: "pause", wanted: ["running"] });
      world.setPower(domain, { power: "paused", reason: "user", change: "suspended" });
    }),
    resume: role("resume", (domain, vm) => {
      if (domain.power === "running") return;
      requirePower(domain, vm, { method: "resume", wanted: ["paused"] });
      world.setPower(domain, { power: "running", reason: "unpaused", change: "resumed" });
    }),
    suspend: role("suspend", (domain, vm) => {
      if (domain.power === "off" && domain.hasSavedMemory === true) return;
      requirePower(domain, vm, { method: "suspend", wanted: ["running", "paused"] });
      domain.hasSavedMemory = true;
      world.setPower(domain, { power: "off", reason: "saved", change: "stopped" });
    }),
    discardMemory: role("discardMemory", (domain) => {
      domain.hasSavedMemory = false;
    }),
    requestReboot: role("requestReboot", (domain, vm) => {
      requirePower(domain, vm, { method: "requestReboot", wanted: ["running"] });
      if (guest.shutdown === "obeys") boot(domain);
      world.emit({ kind: "vm", uid: vm.uid, change: "rebooted" });
    }),
    reset: role("reset", (domain, vm) => {
      requirePower(domain, vm, { method: "reset", wanted: ["running", "paused"] });
      boot(domain);
      world.emit({ kind: "vm", uid: vm.uid, change: "rebooted" });
    }),
  };
}

const words: Readonly<Record<keyof RunStateRole, string>> = {
  pause: "pause",
  resume: "resume",
  suspend: "suspend",
  discardMemory: "discard the memory of",
  requestReboot: "reboot",
  reset: "reset",
};

function requirePower(
  domain: SimulatedDomain,
  vm: VmIdentity,
  { method, wanted }: { readonly method: keyof RunStateRole; readonly wanted: readonly PowerState[] },
): void {
  if (wanted.includes(domain.power)) return;
  throw new ProviderError(
    "Conflict",
    `Cannot ${words[method]} VM "${vm.name}": domain is "${domain.power}", expected "${wanted.join('" or "')}"`,
  );
}
