// libvirt's domain states and reasons in the contract's words.

import {
  DomainCrashedReason,
  DomainPausedReason,
  DomainRunningReason,
  DomainShutdownReason,
  DomainShutoffReason,
  DomainState,
} from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { PowerState } from "@vivarium/provider";

export interface Power {
  readonly power: PowerState;
  readonly powerReason: string;
}

export function powerOf({ state, reason }: { readonly state: number; readonly reason: number }): Power {
  switch (state) {
    case DomainState.RUNNING:
    case DomainState.BLOCKED:
      return { power: "running", powerReason: nameOf(DomainRunningReason, reason) };
    case DomainState.PAUSED:
      return {
        power: reason === DomainPausedReason.SHUTTING_DOWN ? "shutting-down" : "paused",
        powerReason: nameOf(DomainPausedReason, reason),
      };
    case DomainState.SHUTDOWN:
      return { power: "shutting-down", powerReason: nameOf(DomainShutdownReason, reason) };
    case DomainState.SHUTOFF:
      return { power: "off", powerReason: nameOf(DomainShutoffReason, reason) };
    case DomainState.CRASHED:
      return { power: "crashed", powerReason: nameOf(DomainCrashedReason, reason) };
    case DomainState.PMSUSPENDED:
      return { power: "suspended", powerReason: "guest" };
    default:
      // Guessing here could start or stop a VM twice.
      throw new ProviderError("Unavailable", `Cannot tell whether the domain runs: libvirt gave state ${state}`);
  }
}

/** `FROM_SNAPSHOT` becomes `from-snapshot`. */
function nameOf(reasons: Readonly<Record<string, number>>, reason: number): string {
  const found = Object.entries(reasons).find(([, value]) => value === reason);
  return found?.[0].toLowerCase().replaceAll("_", "-") ?? `reason-${reason}`;
}
