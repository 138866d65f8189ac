// Refuses networks that this host cannot have, before anything is touched. libvirt finds some of it out only when the network starts, and some
// of it never: two networks with one subnet start both, and one of them loses its packets.

import { isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { doSubnetsOverlap, ProviderError } from "@vivarium/provider";
import type { CallOptions, NetworkDefinition } from "@vivarium/provider";
import { invalidSpec } from "../libvirt-host.ts";
import { hasInterface, hostRoutes, isBridge, openVswitchLack } from "./host-network.ts";
import type { HostRoute } from "./host-network.ts";
import { isOnHostBridge, parseNetworkXml } from "./network-xml.ts";
import type { NetworkView } from "./network-xml.ts";

export async function checkNetwork(
  libvirt: Libvirt,
  definition: NetworkDefinition,
  { isLocal, options }: { readonly isLocal: boolean; readonly options: CallOptions | undefined },
): Promise<void> {
  const { name, mode, bridge = "" } = definition;
  const action = `Cannot make network "${name}" of mode "${mode}"`;
  if (isOnHostBridge(mode)) {
    // What another host has shows when a machine starts there.
    if (!isLocal) return;
    const lack = mode === "openvswitch" ? await openVswitchLack() : undefined;
    if (lack !== undefined) throw new ProviderError("Unsupported", `${action}: ${lack}`);
    if (mode === "bridged" && !(await isBridge(bridge))) {
      throw invalidSpec(`${action}: the host has no bridge "${bridge}"; make one, or choose another`);
    }
    return;
  }
  const views = await networkViews(libvirt, options);
  const others = views.filter(({ uuid }) => uuid !== definition.owner.uid);
  const own = views.find(({ uuid }) => uuid === definition.owner.uid);
  if (bridge !== "") {
    const holder = others.find(({ shape }) => shape.bridge === bridge);
    if (holder !== undefined) {
      throw new ProviderError("Conflict", `${action}: bridge "${bridge}" is that of network "${holder.name}"`);
    }
    if (isLocal && own?.shape.bridge !== bridge && (await hasInterface(bridge))) {
      throw new ProviderError("Conflict", `${action}: the host has an interface "${bridge}" already`);
    }
  }
  const routes = isLocal ? await hostRoutes() : [];
  const met = overlapsOf(definition.subnets, { others, routes, ownBridge: own?.shape.bridge });
  if (met.length > 0) throw new ProviderError("Conflict", `${action}: ${met.join("; ")}`);
}

/** What the subnets would meet, in words. Pure. */
export function overlapsOf(
  subnets: readonly string[],
  around: {
    readonly others: readonly Pick<NetworkView, "name" | "shape">[];
    readonly routes: readonly HostRoute[];
    readonly ownBridge: string | undefined;
  },
): readonly string[] {
  const { others, routes, ownBridge } = around;
  // Bridges of networks have routes, too: a network is told by its name, and our own is no obstacle to itself.
  const bridges = new Set([ownBridge, ...others.map(({ shape }) => shape.bridge)]);
  return subnets.flatMap((subnet) => [
    ...others.flatMap(({ name, shape }) =>
      shape.subnets
        .filter((theirs) => doSubnetsOverlap(subnet, theirs))
        .map((theirs) => `subnet ${subnet} meets that of network "${name}" (${theirs})`),
    ),
    ...routes
      .filter((route) => !bridges.has(route.device) && doSubnetsOverlap(subnet, route.subnet))
      .map((route) => `subnet ${subnet} meets a route of the host (${route.subnet} on ${route.device})`),
  ]);
}

/** Every network of the hypervisor; of one that runs, as it runs. */
async function networkViews(libvirt: Libvirt, options: CallOptions | undefined): Promise<readonly NetworkView[]> {
  const networks = await libvirt.connectListAllNetworks(options);
  const views = await Promise.all(
    networks.map(async (network) => {
      try {
        return [parseNetworkXml(await libvirt.networkGetXmlDesc(network, options))];
      } catch (error) {
        if (isLibvirtError(error, "NO_NETWORK")) return [];
        throw error;
      }
    }),
  );
  return views.flat();
}
