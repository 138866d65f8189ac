// Resolves the interfaces of a VirtualMachine: what they are plugged into, what holds for their traffic, and what the guest is told of
// their addresses. Pure.

import type { ObjectKey, Provider, VirtualMachine, VirtualNetwork, VMNetworkAttachment } from "@vivarium/api";
import type { SeedNic } from "@vivarium/images";
import type { GuestAddress, NicDefinition, NicSource } from "@vivarium/provider";
import { effectiveProvider } from "../../effective-provider.ts";
import { duplicatesOf } from "./disks.ts";
import type { AddProblem } from "./disks.ts";
import { declaredNics, macsOf } from "./macs.ts";
import { addressingOf } from "./nic-addresses.ts";
import type { Resolved } from "../plan/input.ts";
import { readRecord } from "../status/stored-record.ts";
import { resolveVirtualNetwork, virtualNetworkOf } from "./virtual-network.ts";
import { filterOf, limitsOf } from "../../vm-network-rules.ts";
import { problemOf, unsupportedNetworkFields } from "../../vm-network-attachment-plan.ts";

export interface NicObjects {
  virtualNetwork(key: Required<ObjectKey>): VirtualNetwork | undefined;
  providers(): readonly Provider[];
  network(key: Required<ObjectKey>): VMNetworkAttachment | undefined;
  /** All of them: no two may have one static address in one network. */
  machines(): readonly VirtualMachine[];
  /** Chosen for the VM that is resolved, by interface; those in its status when absent. */
  readonly macs?: Readonly<Record<string, string>> | undefined;
  /** Addresses that the VM that is resolved has now. */
  readonly leased?: readonly GuestAddress[];
}

export interface ResolvedNic {
  readonly nic: NicDefinition;
  readonly seed: SeedNic;
  readonly expectsAddress: boolean;
}

type DeclaredNic = NonNullable<VirtualMachine["spec"]["networks"]>[number];

interface NicSources {
  readonly objects: NicObjects;
  readonly provider: Resolved<Provider>;
  readonly add: AddProblem;
}

export function resolveNics(vm: VirtualMachine, from: NicSources): readonly ResolvedNic[] {
  const { add } = from;
  const declared = declaredNics(vm);
  for (const name of duplicatesOf(declared.map((nic) => nic.name))) {
    add("InvalidSpec", `spec.networks has two interfaces named "${name}"`);
  }
  const macs = macsOf(vm, from.objects.macs);
  for (const mac of duplicatesOf(macs)) add("InvalidSpec", `spec.networks has two interfaces with MAC address ${mac}`);
  return declared.flatMap((nic, index) => resolveNic(vm, nic, { ...from, mac: macs[index] ?? "" }) ?? []);
}

function resolveNic(
  vm: VirtualMachine,
  declared: DeclaredNic,
  from: NicSources & { readonly mac: string },
): ResolvedNic | undefined {
  const { add, mac, objects } = from;
  const complain = (message: string): void =>
    add("InvalidSpec", `spec.networks: interface "${declared.name}": ${message}`);
  let attachment: VMNetworkAttachment | undefined;
  if (declared.networkRef !== undefined) {
    const key = attachmentKey(vm, declared.networkRef);
    const name = `VMNetworkAttachment "${key.namespace}/${key.name}"`;
    attachment = objects.network(key);
    if (attachment === undefined) {
      add("NetworkNotFound", `${name} does not exist`);
      return undefined;
    }
    const unsupported = unsupportedNetworkFields(attachment.spec);
    if (unsupported.length > 0) {
      add("Unsupported", `${name} asks for what this build cannot honour: ${unsupported.join(", ")}`);
      return undefined;
    }
    const problem = problemOf(attachment.spec);
    if (problem !== undefined) {
      add("InvalidSpec", `${name}: ${problem}`);
      return undefined;
    }
  }
  if (declared.networkRef !== undefined && declared.virtualNetworkRef !== undefined) {
    complain("it has networkRef and virtualNetworkRef");
    return undefined;
  }
  const source = sourceOf(vm, declared, { ...from, attachment });
  if (source === undefined) return undefined;
  const seed: SeedNic = { macAddress: mac, ...addressingOf(declared, attachment, complain) };
  const addresses = seed.addresses ?? [];
  const holder = holderOf(addresses, { vm, source, objects });
  if (holder !== undefined)
    add("AddressInUse", `Address ${holder.ip} of interface "${declared.name}" is ${holder.of}'s`);
  const limits = limitsOf(attachment?.spec.qos, declared.limits, complain);
  const usesDhcp = seed.dhcp4 === true;
  const fixed = addresses.map((address) => address.split("/")[0] ?? "");
  const leased = (objects.leased ?? []).filter((each) => each.source === "lease" && each.mac === mac);
  const ips = usesDhcp ? leased.map(({ ip }) => ip) : fixed;
  const filter = attachment && filterOf(attachment.spec, { addresses: ips, usesDhcp });
  if (filter?.antiSpoofing !== undefined && usesDhcp && "bridge" in source) {
    add(
      "Unsupported",
      `spec.networks: interface "${declared.name}" is on bridge "${source.bridge}", whose DHCP leases nobody here sees: spec.security.antiSpoofing needs a static address there`,
    );
  }
  const isLinkDown = declared.linkState === "Down";
  const network = attachment?.spec.network;
  const mtu = network?.mtu === 1500 ? undefined : network?.mtu;
  const vlan = network?.libvirt?.vlanTag;
  return {
    nic: {
      name: declared.name,
      source,
      model: network?.libvirt?.model ?? "virtio",
      mac,
      ...(mtu === undefined ? {} : { mtu }),
      ...(vlan === undefined ? {} : { vlan }),
      ...(attachment?.spec.security?.isolation?.mode === "strict" ? { isIsolated: true } : {}),
      ...(isLinkDown ? { isLinkUp: false } : {}),
      ...(limits === undefined ? {} : { limits }),
      ...(filter === undefined ? {} : { filter }),
      ...(addresses.length === 0 ? {} : { addresses }),
    },
    seed,
    expectsAddress: !isLinkDown && (usesDhcp || addresses.length > 0),
  };
}

function sourceOf(
  vm: VirtualMachine,
  declared: DeclaredNic,
  { attachment, objects, provider, add }: NicSources & { readonly attachment: VMNetworkAttachment | undefined },
): NicSource | undefined {
  const key = virtualNetworkOf(vm, declared, () => attachment);
  if (key !== undefined) {
    const network = objects.virtualNetwork(key);
    return resolveVirtualNetwork(key, { network, provider, providers: objects.providers(), add });
  }
  const libvirt = attachment?.spec.network.libvirt;
  if (libvirt?.bridge !== undefined) return { bridge: libvirt.bridge.name };
  const defaultNetwork = provider.ok ? provider.value.spec.defaults?.network : undefined;
  return { network: libvirt?.networkName ?? defaultNetwork ?? "default" };
}

function attachmentKey(
  vm: VirtualMachine,
  ref: { readonly name: string; readonly namespace?: string },
): Required<ObjectKey> {
  return { namespace: ref.namespace ?? vm.metadata.namespace ?? "default", name: ref.name };
}

/** Who else has one of these addresses in the same network: what was made with it first, else what was declared first. */
function holderOf(
  addresses: readonly string[],
  { vm, source, objects }: { readonly vm: VirtualMachine; readonly source: NicSource; readonly objects: NicObjects },
): { readonly ip: string; readonly of: string } | undefined {
  if (addresses.length === 0) return undefined;
  const wanted = new Set(addresses.map((address) => address.split("/")[0] ?? ""));
  const provider = providerOf(vm, objects);
  for (const other of objects.machines()) {
    if (other.metadata.uid === vm.metadata.uid || other.metadata.deletionTimestamp !== undefined) continue;
    if (keyOfProvider(providerOf(other, objects)) !== keyOfProvider(provider)) continue;
    const ip = [...staticAddressesOf(other, source, objects)].find((each) => wanted.has(each));
    if (ip === undefined || isBefore(vm, other, ip)) continue;
    return { ip, of: `VirtualMachine "${other.metadata.namespace ?? ""}/${other.metadata.name}"` };
  }
  return undefined;
}

function staticAddressesOf(vm: VirtualMachine, source: NicSource, objects: NicObjects): ReadonlySet<string> {
  const ips = declaredNics(vm).flatMap((nic) => {
    if (nic.ipAddress === undefined && nic.ipv6Address === undefined && nic.networkRef === undefined) return [];
    const attachment = nic.networkRef && objects.network(attachmentKey(vm, nic.networkRef));
    if (nic.networkRef !== undefined && attachment === undefined) return [];
    const on = providerOf(vm, objects);
    const provider: Resolved<Provider> = on === undefined ? { ok: false, problems: [] } : { ok: true, value: on };
    const from = sourceOf(vm, nic, { objects, provider, attachment, add: () => undefined });
    if (JSON.stringify(from) !== JSON.stringify(source)) return [];
    return addressingOf(nic, attachment, () => undefined).addresses ?? [];
  });
  return new Set(ips.map((address) => address.split("/")[0] ?? ""));
}

function isBefore(vm: VirtualMachine, other: VirtualMachine, ip: string): boolean {
  const [mine, theirs] = [hasMade(vm, ip), hasMade(other, ip)];
  if (mine !== theirs) return mine;
  const [a, b] = [vm, other].map(({ metadata }) => `${metadata.creationTimestamp ?? ""} ${metadata.uid ?? ""}`);
  return (a ?? "") < (b ?? "");
}

function hasMade(vm: VirtualMachine, ip: string): boolean {
  return readRecord(vm.status).applied?.addresses?.includes(ip) === true;
}

function providerOf(vm: VirtualMachine, objects: NicObjects): Provider | undefined {
  const effective = effectiveProvider(vm, objects.providers());
  if (effective.kind !== "found") return undefined;
  return objects.providers().find((each) => keyOfProvider(each) === `${effective.key.namespace}/${effective.key.name}`);
}

function keyOfProvider(provider: Provider | undefined): string {
  return provider === undefined ? "" : `${provider.metadata.namespace ?? ""}/${provider.metadata.name}`;
}
