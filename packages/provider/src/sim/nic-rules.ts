// What the simulated hypervisor says of an interface, and which ones it refuses.

import { nicFilterKey } from "../nics.ts";
import type { NicDefinition, NicObservation } from "../nics.ts";
import { ProviderError } from "../provider-error.ts";
import type { VmIdentity } from "../provider.ts";
import type { SimulatedHost, SimulatedWorld } from "./world.ts";

/** Refuses what this host cannot do. */
export function requireNic(
  nic: NicDefinition,
  { vm, world, host }: { readonly vm: VmIdentity; readonly world: SimulatedWorld; readonly host: SimulatedHost },
): void {
  const refuse = (code: "InvalidSpec" | "Unsupported" | "Conflict", why: string): never => {
    throw new ProviderError(code, `Cannot run VM "${vm.name}": ${why}`);
  };
  const { source, limits, vlan } = nic;
  if ("bridge" in source && !world.bridges.has(source.bridge)) {
    refuse("InvalidSpec", `bridge "${source.bridge}" does not exist on the host`);
  }
  if ("network" in source && !world.networks.has(source.network)) {
    refuse("InvalidSpec", `network "${source.network}" does not exist on the host`);
  }
  if ("network" in source && world.networks.get(source.network) === false) {
    refuse("Conflict", `network "${source.network}" is inactive, expected active`);
  }
  if (vlan !== undefined) refuse("Unsupported", `NIC "${nic.name}" has a VLAN tag; the host has no Open vSwitch`);
  if (limits !== undefined && Object.keys(limits).length > 0 && !host.nicLimits) {
    refuse("Unsupported", `the host cannot limit the bandwidth of NIC "${nic.name}"`);
  }
}

export function observationOf(nic: NicDefinition, device: string | undefined): NicObservation {
  return {
    name: nic.name,
    mac: nic.mac,
    source: nic.source,
    ...(device === undefined ? {} : { device }),
    ...(nic.vlan === undefined ? {} : { vlan: nic.vlan }),
    isIsolated: nic.isIsolated ?? false,
    isLinkUp: nic.isLinkUp ?? true,
    limits: nic.limits ?? {},
    ...(nic.filter === undefined ? {} : { filter: nicFilterKey(nic.filter) }),
  };
}
