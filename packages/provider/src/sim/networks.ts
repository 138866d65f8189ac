// Networks of the simulated hypervisor. It has no Open vSwitch, and one route to the outside, 198.51.100.0/24.

import type { NetworkDefinition, NetworkObservation, NetworkRef, NetworkRole, NetworkUser } from "../network.ts";
import { ProviderError } from "../provider-error.ts";
import { doSubnetsOverlap } from "../subnet.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedNetwork, SimulatedWorld } from "./world.ts";

const hostRoute = "198.51.100.0/24";

export function simulatedNetworks({ world, gate }: Pick<SimulatedParts, "world" | "gate">): NetworkRole {
  return {
    observe: (network, options) =>
      gate.run("networks.observe", { subject: network.name, options, act: () => observe(world, network) }),
    check: (definition, options) =>
      gate.run("networks.check", { subject: definition.name, options, act: () => check(world, definition) }),
    create: (definition, options) =>
      gate.run("networks.create", {
        subject: definition.name,
        options,
        act() {
          const { name, owner } = definition;
          const found = world.virtualNetworks.get(name);
          const isTaken = found === undefined ? world.networks.has(name) : found.definition.owner.uid !== owner.uid;
          if (isTaken) {
            throw new ProviderError("Conflict", `Cannot make network "${name}": another network has that name`);
          }
          world.virtualNetworks.set(name, {
            definition: found?.definition ?? definition,
            isDefined: true,
            leases: found?.leases ?? [],
          });
          world.setNetwork(name, "started");
        },
      }),
    update: (definition, options) =>
      gate.run("networks.update", {
        subject: definition.name,
        options,
        act() {
          const ref = { kind: "made", uid: definition.owner.uid, name: definition.name } as const;
          const network = require(world, ref, "change");
          network.definition = { ...network.definition, settings: definition.settings };
        },
      }),
    start: (network, options) =>
      gate.run("networks.start", {
        subject: network.name,
        options,
        act() {
          require(world, network, "start");
          world.setNetwork(network.name, "started");
        },
      }),
    reconnect: (network, options) =>
      gate.run("networks.reconnect", {
        subject: network.name,
        options,
        act() {
          if (network.kind === "made" || !world.networks.has(network.name)) require(world, network, "reconnect");
          world.cutOff.delete(network.name);
        },
      }),
    remove: (network, options) =>
      gate.run("networks.remove", {
        subject: network.name,
        options,
        act() {
          if (world.virtualNetworks.get(network.name)?.definition.owner.uid !== network.uid) return;
          const users = usersOf(world, network.name).map(({ name }) => name);
          if (users.length > 0) {
            const message = `Cannot remove network "${network.name}": it is used by ${users.join(", ")}`;
            throw new ProviderError("Conflict", message);
          }
          world.virtualNetworks.delete(network.name);
          world.networks.delete(network.name);
        },
      }),
  };
}

function observe(world: SimulatedWorld, ref: NetworkRef): NetworkObservation {
  const network = world.virtualNetworks.get(ref.name);
  if (network === undefined) {
    if (!world.networks.has(ref.name)) return { kind: "absent" };
    if (ref.kind === "made") return { kind: "foreign", reason: "it was not made here" };
    const settings = { isAutostarted: true, ranges: [], leases: [], dnsHosts: [] };
    return {
      kind: "present",
      isActive: world.networks.get(ref.name) ?? false,
      isDefined: true,
      shape: { mode: "nat", subnets: [] },
      settings,
      leases: [],
      users: usersOf(world, ref.name),
    };
  }
  const { owner, settings, mode, bridge = `virbr-${ref.name}`, domain, subnets } = network.definition;
  if (ref.kind === "made" && owner.uid !== ref.uid) {
    return { kind: "foreign", reason: `its UUID is ${owner.uid}, this network's is ${ref.uid}` };
  }
  return {
    kind: "present",
    isActive: world.networks.get(ref.name) ?? false,
    isDefined: network.isDefined,
    shape: { mode, bridge, subnets, ...(domain === undefined ? {} : { domain }) },
    settings,
    leases: network.leases,
    users: usersOf(world, ref.name),
  };
}

function check(world: SimulatedWorld, { owner, name, mode, bridge = "", subnets }: NetworkDefinition): void {
  const refuse = (code: "Unsupported" | "InvalidSpec" | "Conflict", why: string): never => {
    throw new ProviderError(code, `Cannot make network "${name}": ${why}`);
  };
  if (mode === "openvswitch") refuse("Unsupported", "the simulated host has no Open vSwitch");
  if (mode === "bridged" && !world.bridges.has(bridge)) refuse("InvalidSpec", `the host has no bridge "${bridge}"`);
  const others = [...world.virtualNetworks.values()].filter(({ definition }) => definition.owner.uid !== owner.uid);
  for (const subnet of subnets) {
    if (doSubnetsOverlap(subnet, hostRoute)) {
      refuse("Conflict", `subnet ${subnet} meets a route of the host (${hostRoute})`);
    }
    for (const { definition } of others) {
      const theirs = definition.subnets.find((each) => doSubnetsOverlap(subnet, each));
      if (theirs !== undefined) {
        refuse("Conflict", `subnet ${subnet} meets that of network "${definition.name}" (${theirs})`);
      }
    }
  }
}

function usersOf(world: SimulatedWorld, network: string): readonly NetworkUser[] {
  return [...world.domains.values()]
    .filter((domain) => world.isPluggedInto(domain, network))
    .map(({ name, uid }) => ({
      name,
      uid,
      ...(world.cutOff.get(network)?.has(uid) === true ? { isCutOff: true as const } : {}),
    }));
}

function require(world: SimulatedWorld, ref: NetworkRef, action: string): SimulatedNetwork {
  const network = world.virtualNetworks.get(ref.name);
  if (network === undefined || (ref.kind === "made" && network.definition.owner.uid !== ref.uid)) {
    throw new ProviderError("NotFound", `Cannot ${action} network "${ref.name}": there is none`);
  }
  return network;
}
