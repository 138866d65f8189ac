// Domains paused, saved to disk (libvirt calls it managed save), rebooted and reset. Each act looks first, so that a repeat finds its own
// work done.

import { DomainModificationImpact, DomainSaveRestoreFlags } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, PowerState, RunStateRole, VmIdentity } from "@vivarium/provider";
import { askGuest } from "../domain/ask-guest.ts";
import { requireOwnDomain } from "../domain/lookup.ts";
import type { OwnDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { unlimitedKib } from "../sizing/limits.ts";

/** Memory goes to disk at the disk's speed. The caller's signal ends the wait, not the save. */
const saveTimeoutMs = 900_000;

interface Act {
  /** Completes "Cannot … VM". */
  readonly action: string;
  /** States in which the act is done already. */
  readonly done?: readonly PowerState[];
  /** States in which it can be done. */
  readonly from: readonly PowerState[];
}

export function createRunState(host: LibvirtHost): RunStateRole {
  const act =
    (how: Act, run: (libvirt: Libvirt, own: OwnDomain, options: CallOptions | undefined) => Promise<void>) =>
    (vm: VmIdentity, options?: CallOptions): Promise<void> =>
      host.attempt(
        `${how.action} VM "${vm.name}"`,
        async (libvirt) => {
          const own = await requireOwnDomain(libvirt, { vm, options, action: how.action });
          const { power } = own.power;
          if (how.done?.includes(power) === true) return;
          if (!how.from.includes(power)) {
            const wanted = how.from.map((each) => `"${each}"`).join(" or ");
            const message = `Cannot ${how.action} VM "${vm.name}": domain is "${power}", expected ${wanted}`;
            throw new ProviderError("Conflict", message);
          }
          await run(libvirt, own, options);
        },
        options,
      );

  return {
    pause: act({ action: "pause", done: ["paused"], from: ["running"] }, (libvirt, { domain }, options) =>
      libvirt.domainSuspend(domain, options),
    ),
    resume: act({ action: "resume", done: ["running"], from: ["paused"] }, (libvirt, { domain }, options) =>
      libvirt.domainResume(domain, options),
    ),
    suspend: act(
      { action: "suspend", from: ["running", "paused", "off"] },
      async (libvirt, { domain, power, view }, options) => {
        if (power.power === "off") {
          if (await libvirt.domainHasManagedSaveImage(domain, options)) return;
          throw new ProviderError("Conflict", `Cannot suspend domain "${view.name}": it is "off", expected "running"`);
        }
        // It would be saved with the domain, and in the way of the next start; it is set again then.
        if (view.limits.memoryBytes !== undefined) {
          const none = { hard_limit: unlimitedKib };
          await libvirt.domainSetMemoryParameters(domain, none, { ...options, flags: DomainModificationImpact.LIVE });
        }
        // Whether it then waits is said at the start.
        const flags = DomainSaveRestoreFlags.RUNNING;
        await libvirt.domainManagedSave(domain, { ...options, flags, timeoutMs: saveTimeoutMs });
      },
    ),
    discardMemory: act(
      {
        action: "discard the memory of",
        done: ["running", "paused", "suspended", "shutting-down"],
        from: ["off", "crashed"],
      },
      async (libvirt, { domain }, options) => {
        if (!(await libvirt.domainHasManagedSaveImage(domain, options))) return;
        await libvirt.domainManagedSaveRemove(domain, options);
      },
    ),
    requestReboot: act({ action: "reboot", from: ["running"] }, (libvirt, { domain, view }, options) =>
      askGuest((flags, how) => libvirt.domainReboot(domain, { ...how, flags }), {
        hasAgent: view.agentConnected,
        options,
      }),
    ),
    reset: act({ action: "reset", from: ["running", "paused"] }, (libvirt, { domain }, options) =>
      libvirt.domainReset(domain, options),
    ),
  };
}
