// A VirtualNetwork's status from what was decided and seen. Pure.

import { setCondition } from "@vivarium/api";
import type { VirtualNetwork, VirtualNetworkStatus } from "@vivarium/api";
import type { NetworkObservation } from "@vivarium/provider";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";
import { machineName } from "./virtual-network-machines.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";
import type { NetworkInput, NetworkSituation } from "./virtual-network-plan.ts";
import { networkNameOf } from "./virtual-network-place.ts";

interface NetworkFacts {
  readonly situation: NetworkSituation;
  readonly input: NetworkInput;
  readonly plugged: readonly PluggedNic[];
  readonly now: Date;
}

export function networkStatusOf(
  network: VirtualNetwork,
  { situation, input, plugged, now }: NetworkFacts,
): VirtualNetworkStatus {
  const ready = readyOf(network, situation);
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
    phase: phaseOf(situation, input),
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

function phaseOf(situation: NetworkSituation, input: NetworkInput): NonNullable<VirtualNetworkStatus["phase"]> {
  if (input.isDeleting) return "Deleting";
  switch (situation.kind) {
    case "Ready":
      return "Ready";
    case "Inactive":
      return "Inactive";
    case "Problem":
      return "Failed";
    case "Unavailable":
      return "Pending";
    case "InUse":
    case "Gone":
      return "Deleting";
  }
}

function readyOf(network: VirtualNetwork, situation: NetworkSituation): Verdict {
  const name = networkNameOf(network);
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Ready":
      return { status: "True", reason: "Ready", message: `Network "${name}" is active` };
    case "Inactive":
      return no(
        "Inactive",
        `Network "${name}" is stopped. It was adopted and is not started from here: start it on the host`,
      );
    case "Problem":
      return no(situation.problem.reason, situation.problem.message);
    case "Unavailable":
      return {
        status: "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot look at the network: ${situation.error.message}`,
      };
    case "InUse":
      return no("InUse", `Cannot be deleted while machines are plugged in: ${situation.users.join(", ")}`);
    case "Gone":
      return no("Deleted", "Deleted");
  }
}
