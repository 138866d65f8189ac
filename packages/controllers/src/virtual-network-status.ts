// A VirtualNetwork's status from what was decided and seen. Pure.

import { setCondition } from "@vivarium/api";
import type { VirtualNetwork, VirtualNetworkStatus } from "@vivarium/api";
import type { NetworkObservation } from "@vivarium/provider";
import { observedGenerationOf } from "./verdict.ts";
import { machineName } from "./virtual-network-machines.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";
import { placedPhase, placedVerdict } from "./placed/placed-situation.ts";
import type { PlacedSituation } from "./placed/placed-situation.ts";
import type { NetworkInput } from "./virtual-network-plan.ts";
import { networkNameOf } from "./virtual-network-place.ts";

interface NetworkFacts {
  readonly situation: PlacedSituation;
  readonly input: NetworkInput;
  readonly plugged: readonly PluggedNic[];
  readonly now: Date;
}

export function networkStatusOf(
  network: VirtualNetwork,
  { situation, input, plugged, now }: NetworkFacts,
): VirtualNetworkStatus {
  const ready = placedVerdict(situation, {
    noun: "network",
    name: networkNameOf(network),
    users: "machines are plugged in",
  });
  const observed = observedGenerationOf(network);
  const { target, seen } = input;
  let conditions = setCondition(network.status?.conditions, { type: "Ready", ...ready, ...observed }, { now });
  if (target.kind === "create") {
    const { leaseProblems } = target;
    const applied =
      leaseProblems.length === 0
        ? ({ status: "True", reason: "AllKept", message: "Every address that is to be kept is" } as const)
        : ({ status: "False", reason: "NotKept", message: leaseProblems.join("; ") } as const);
    conditions = setCondition(conditions, { type: "LeasesApplied", ...applied, ...observed }, { now });
  }
  const { record } = network.status ?? {};
  return {
    ...(seen.kind === "unavailable" ? network.status : {}),
    ...(record === undefined ? {} : { record }),
    ...(seen.kind === "present" ? factsOf(network, seen, { plugged, input }) : {}),
    phase: placedPhase(situation, input),
    message: ready.message,
    network: networkNameOf(network),
    ...observed,
    conditions,
  };
}

function factsOf(
  network: VirtualNetwork,
  seen: Extract<NetworkObservation, { kind: "present" }>,
  { plugged, input }: Pick<NetworkFacts, "plugged" | "input">,
): Partial<VirtualNetworkStatus> {
  const { isActive, shape, settings } = seen;
  const machines = new Map(plugged.map(({ mac, vm }) => [mac, machineName(vm, network)]));
  return {
    mode: shape.mode,
    active: isActive,
    autostart: settings.isAutostarted,
    ...(shape.bridge === undefined ? {} : { bridge: shape.bridge }),
    subnets: [...shape.subnets],
    leases: seen.leases
      .toSorted((a, b) => a.ip.localeCompare(b.ip, "en", { numeric: true }))
      .map(({ ip, mac, hostname, expiresAtMs }) => {
        const vm = mac === undefined ? undefined : machines.get(mac);
        return {
          ip,
          ...(mac === undefined ? {} : { mac }),
          ...(hostname === undefined ? {} : { hostname }),
          ...(vm === undefined ? {} : { vm }),
          ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
        };
      }),
    usedBy: [...input.users],
  };
}
