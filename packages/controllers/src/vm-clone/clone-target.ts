// The VirtualMachine that a clone becomes: what the source is, without what must be one machine's alone, and with what the clone asks
// for. Pure.

import {
  adoptedLabel,
  apiVersionOf,
  clonedByLabel,
  clonedFromAnnotation,
  linkedToLabel,
  ordinalLabel,
  revisionLabel,
  VirtualMachine,
} from "@vivarium/api";
import type { CloneWish, VirtualMachineSpec, VMClone } from "@vivarium/api";
import { customizedUserData } from "./customize-user-data.ts";

export interface CloneOrigin {
  /** Namespace of the objects that `spec` names. */
  readonly namespace: string;
  readonly spec: VirtualMachineSpec;
  readonly labels: Readonly<Record<string, string>>;
  /** `KIND/NAME`, for people. */
  readonly name: string;
  /** Names of the disks that are copied; absent where the target makes them itself. */
  readonly disks?: readonly string[];
  /** uid of the VMSnapshot or VMTemplate that a linked clone needs. */
  readonly baseUid?: string;
  /** The source's Provider, and its host where that has several. */
  readonly provider: { readonly namespace: string; readonly name: string };
  readonly host?: string;
}

export interface CloneTarget {
  readonly vm: VirtualMachine;
  /** What of the source the clone does not have. */
  readonly leftOut: readonly string[];
  readonly problems: readonly string[];
}

type Network = NonNullable<VirtualMachineSpec["networks"]>[number];
type Disk = NonNullable<VirtualMachineSpec["disks"]>[number];

/** Belong to one machine, or to who owns it. */
const ownLabels = new Set([revisionLabel, ordinalLabel, adoptedLabel, clonedByLabel, linkedToLabel]);

export function targetOf(clone: VMClone, wish: CloneWish, origin: CloneOrigin): CloneTarget {
  const { target, customization } = clone.spec;
  const { uid = "" } = clone.metadata;
  const { source: _source, ...at } = { source: wish.source, ...wish.target };
  const isElsewhere = at.namespace !== origin.namespace;
  const leftOut: string[] = [];
  const problems: string[] = [];
  const { spec } = origin;
  const userData = customizedUserData(clone, { inherited: spec.userData, hostname: hostnameOf(clone), isElsewhere });
  problems.push(...userData.problems);
  leftOut.push(...userData.leftOut);
  if (spec.metaData !== undefined && !isNameAlone(spec.metaData))
    leftOut.push("spec.metaData, which is one machine's own");
  const disks = disksOf(origin, target.disks, leftOut);
  const networks = networksOf(clone, origin, { isElsewhere, problems, leftOut });
  const classRef = target.classRef ?? qualified(spec.classRef, origin, isElsewhere);
  const placementRef = target.placementRef ?? (isElsewhere ? undefined : spec.placementRef);
  const isCopied = origin.disks !== undefined;
  const { host: _host, hostSelector: _selector, ...placement } = spec.placement ?? {};
  const place = origin.host === undefined ? placement : { ...placement, host: origin.host };
  const hostname = hostnameOf(clone);
  const tags = customization?.tags ?? spec.tags;
  const {
    adopt: _adopt,
    importedDisk: _disk,
    imageRef,
    snapshot: _snapshot,
    metaData: _metaData,
    deletionProtection: _protection,
    ...inherited
  } = spec;
  const next: VirtualMachineSpec = {
    ...inherited,
    providerRef: origin.provider,
    powerState: wish.powerOn && (isCopied || wish.isLinked) ? "On" : "Off",
    metaData: { cloudInit: { inline: JSON.stringify({ "local-hostname": hostname }) } },
  };
  for (const key of ["classRef", "placementRef", "placement", "networks", "disks", "userData", "tags"] as const)
    delete next[key];
  const made: VirtualMachineSpec = {
    ...next,
    ...(isCopied ? { importedDisk: { diskID: uid, source: "clone", cloneRef: keyOf(clone) } } : {}),
    ...(isCopied || imageRef === undefined ? {} : { imageRef: qualified(imageRef, origin, isElsewhere) ?? imageRef }),
    ...(classRef === undefined ? {} : { classRef }),
    ...(placementRef === undefined ? {} : { placementRef }),
    ...(Object.keys(place).length === 0 ? {} : { placement: place }),
    ...(networks === undefined ? {} : { networks }),
    ...(disks.length === 0 ? {} : { disks }),
    ...(userData.value === undefined ? {} : { userData: userData.value }),
    ...(tags === undefined ? {} : { tags }),
  };
  const inheritedLabels = Object.entries(origin.labels).filter(([key]) => !ownLabels.has(key));
  const isLinked = wish.isLinked && origin.baseUid !== undefined;
  return {
    leftOut,
    problems,
    vm: {
      apiVersion: apiVersionOf(VirtualMachine),
      kind: VirtualMachine.kind,
      metadata: {
        ...at,
        labels: {
          ...Object.fromEntries(inheritedLabels),
          ...target.labels,
          [clonedByLabel]: uid,
          ...(isLinked ? { [linkedToLabel]: origin.baseUid } : {}),
        },
        annotations: { ...target.annotations, [clonedFromAnnotation]: origin.name },
      },
      spec: made,
    },
  };
}

/** As a clone itself is told its name. */
function isNameAlone({ cloudInit }: NonNullable<VirtualMachineSpec["metaData"]>): boolean {
  return /^\{"local-hostname":"[^"]*"\}$/.test(cloudInit?.inline ?? "");
}

export function hostnameOf({ spec }: VMClone): string {
  const { hostname = spec.target.name, domain } = spec.customization ?? {};
  return domain === undefined ? hostname : `${hostname}.${domain}`;
}

function keyOf({ metadata }: VMClone): { readonly name: string; readonly namespace: string } {
  return { name: metadata.name, namespace: metadata.namespace ?? "default" };
}

function qualified<Ref extends { readonly name: string; readonly namespace?: string }>(
  ref: Ref | undefined,
  { namespace }: CloneOrigin,
  isElsewhere: boolean,
): Ref | undefined {
  return ref === undefined || !isElsewhere ? ref : { ...ref, namespace: ref.namespace ?? namespace };
}

/** Disks of the source's own, larger where the target says so, and those that are new. */
function disksOf(origin: CloneOrigin, wanted: readonly Disk[] | undefined, leftOut: string[]): Disk[] {
  const kept: Disk[] = [];
  for (const disk of origin.spec.disks ?? []) {
    const isThere = origin.disks === undefined ? disk.volumeRef === undefined : origin.disks.includes(disk.name);
    if (disk.volumeRef === undefined && (isThere || disk.name === "root")) {
      kept.push(disk);
    } else if (disk.volumeRef !== undefined) {
      leftOut.push(`disk ${disk.name}: Volume ${disk.volumeRef.name} has a life of its own`);
    } else {
      leftOut.push(`disk ${disk.name}: the snapshot is of before it`);
    }
  }
  const names = new Set(kept.map(({ name }) => name));
  return [
    ...kept.map((disk) => ({ ...disk, ...wanted?.find(({ name }) => name === disk.name) })),
    ...(wanted ?? []).filter(({ name }) => !names.has(name)),
  ];
}

/** Addresses are one machine's alone. */
function networksOf(
  { spec }: VMClone,
  origin: CloneOrigin,
  {
    isElsewhere,
    problems,
    leftOut,
  }: { readonly isElsewhere: boolean; readonly problems: string[]; readonly leftOut: string[] },
): Network[] | undefined {
  const base =
    spec.target.networks ?? origin.spec.networks?.map((nic) => impersonal(nic, origin, { isElsewhere, leftOut }));
  const wanted = spec.customization?.networks ?? [];
  if (wanted.length === 0) return base;
  const nics = base ?? [{ name: wanted[0]?.name ?? "default" }];
  for (const { name } of wanted) {
    if (nics.some((nic) => nic.name === name)) continue;
    problems.push(
      `spec.customization.networks names interface "${name}", the clone has ${nics.map((nic) => `"${nic.name}"`).join(", ")}`,
    );
  }
  return nics.map((nic) => {
    const change = wanted.find(({ name }) => name === nic.name);
    return change === undefined ? nic : customized(nic, change, problems);
  });
}

function impersonal(
  nic: Network,
  origin: CloneOrigin,
  { isElsewhere, leftOut }: { readonly isElsewhere: boolean; readonly leftOut: string[] },
): Network {
  const { macAddress: _mac, ipAddress, prefix: _prefix, gateway: _gateway, ipv6Address, ...rest } = nic;
  const { ipv6Prefix: _prefix6, ipv6Gateway: _gateway6, networkRef, virtualNetworkRef, ...kept } = rest;
  const address = ipAddress ?? ipv6Address;
  if (address !== undefined) {
    leftOut.push(
      `address ${address} of interface ${nic.name}, which the source has: give one in spec.customization.networks`,
    );
  }
  const network = qualified(networkRef, origin, isElsewhere);
  const virtual = qualified(virtualNetworkRef, origin, isElsewhere);
  return {
    ...kept,
    ...(network === undefined ? {} : { networkRef: network }),
    ...(virtual === undefined ? {} : { virtualNetworkRef: virtual }),
  };
}

type NetworkChange = NonNullable<NonNullable<VMClone["spec"]["customization"]>["networks"]>[number];

function customized(nic: Network, change: NetworkChange, problems: string[]): Network {
  const { name, ipAddress, subnetMask, gateway, dns, dhcp, macAddress } = change;
  if (dhcp === true && ipAddress !== undefined) {
    problems.push(`spec.customization.networks: interface "${name}" has both dhcp and ipAddress`);
  }
  const prefix = prefixOf(subnetMask ?? "255.255.255.0");
  if (prefix === undefined) {
    problems.push(`spec.customization.networks: subnetMask "${subnetMask ?? ""}" of interface "${name}" is none`);
  }
  const { ipAddress: _ip, prefix: _prefix, gateway: _gateway, ...without } = nic;
  const asked = dhcp === true ? without : nic;
  return {
    ...asked,
    ...(ipAddress === undefined ? {} : { ipAddress, ...(prefix === undefined ? {} : { prefix }) }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(dns === undefined ? {} : { dns: dns.join(",") }),
    ...(macAddress === undefined ? {} : { macAddress }),
  };
}

/** `255.255.255.0` is 24. */
function prefixOf(mask: string): number | undefined {
  const bits = mask
    .split(".")
    .map((octet) => Number(octet).toString(2).padStart(8, "0"))
    .join("");
  return /^1+0*$/.test(bits) ? bits.lastIndexOf("1") + 1 : undefined;
}
