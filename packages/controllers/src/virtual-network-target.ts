// What a VirtualNetwork shall be on the hypervisor: adopted or made, and with which addresses. Pure.

import type { VirtualNetwork } from "@vivarium/api";
import { canonicalIp, canonicalSubnet } from "@vivarium/provider";
import type { DnsHost, NetworkDefinition } from "@vivarium/provider";
import type { ProviderKey } from "./provider-registry.ts";
import { dhcpSubnetOf, networkSpecProblems } from "./virtual-network-check.ts";
import type { NetworkCreation } from "./virtual-network-check.ts";
import { keptLeases } from "./virtual-network-leases.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";
import { networkNameOf } from "./virtual-network-place.ts";
import { madeOnOf } from "./placed/placed-object.ts";
import type { NetworkTarget } from "./virtual-network-plan.ts";

export function networkTargetOf(
  network: VirtualNetwork,
  { provider, plugged }: { readonly provider: ProviderKey | undefined; readonly plugged: readonly PluggedNic[] },
): NetworkTarget {
  const { adopt, create } = network.spec;
  const { uid = "", namespace = "default", name: objectName } = network.metadata;
  const name = networkNameOf(network);
  const ref = { kind: "made", uid, name } as const;
  const isMade = madeOnOf(network) !== undefined;
  const problem = (reason: string, message: string): NetworkTarget => ({
    kind: "problem",
    problem: { reason, message },
    ...(isMade ? { ref } : {}),
  });
  if (provider === undefined) {
    return problem("ProviderNotFound", "No Provider can be told: name one in spec.providerRef");
  }
  if ((adopt === undefined) === (create === undefined)) {
    return problem("InvalidSpec", "Exactly one of spec.adopt and spec.create must be there");
  }
  if (create === undefined) {
    return isMade
      ? problem("InvalidSpec", "spec.adopt stands where spec.create was: a network that was made is not adopted")
      : { kind: "adopt", ref: { kind: "adopted", name } };
  }
  const problems = networkSpecProblems(create);
  if (problems.length > 0) return problem("InvalidSpec", problems.join("; "));
  const kept = keptLeases(network, { subnet: dhcpSubnetOf(create), plugged });
  return {
    kind: "create",
    ref,
    definition: {
      owner: { uid, namespace, name: objectName },
      name,
      ...shapeOf(create),
      settings: {
        isAutostarted: create.autostart ?? true,
        ranges: (create.subnets ?? []).flatMap(({ dhcpRanges = [] }) =>
          dhcpRanges.map(({ start, end }) => ({ start: canonicalIp(start) ?? start, end: canonicalIp(end) ?? end })),
        ),
        leases: kept.leases,
        dnsHosts: dnsHostsOf(create),
      },
    },
    leaseProblems: kept.problems,
  };
}

function shapeOf(create: NetworkCreation): Pick<NetworkDefinition, "mode" | "subnets"> & Partial<NetworkDefinition> {
  const { mode, bridge, vlan, trunk, domain, subnets = [] } = create;
  return {
    mode,
    subnets: subnets.map(({ address }) => canonicalSubnet(address) ?? address),
    ...(bridge === undefined ? {} : { bridge }),
    ...(vlan === undefined ? {} : { vlan }),
    ...(trunk === undefined ? {} : { trunk }),
    ...(domain === undefined ? {} : { domain }),
  };
}

/** Each address once, with all its names. */
function dnsHostsOf({ dnsHosts = [] }: NetworkCreation): readonly DnsHost[] {
  const names = new Map<string, readonly string[]>();
  for (const { ip, names: more } of dnsHosts) {
    const address = canonicalIp(ip) ?? ip;
    names.set(address, [...new Set([...(names.get(address) ?? []), ...more])]);
  }
  return [...names].map(([ip, all]) => ({ ip, names: all }));
}
