// Resolves a VirtualMachine and all that it refers to into what to build, or into everything that is missing or wrong at once. Pure.

import { createHash } from "node:crypto";
import { parseDuration } from "@vivarium/api";
import type {
  ObjectKey,
  Provider,
  VirtualMachine,
  VirtualNetwork,
  VMClass,
  VMImage,
  VMNetworkAttachment,
} from "@vivarium/api";
import type { SeedNic } from "@vivarium/images";
import type { NicDefinition, VmDefinition, VmIdentity } from "@vivarium/provider";
import { effectiveProvider } from "./effective-provider.ts";
import { duplicatesOf, quantityOf, resolveDisks } from "./virtual-machine-disks.ts";
import type { AddProblem, DiskObjects } from "./virtual-machine-disks.ts";
import type { DiskSize } from "./virtual-machine-disk-plan.ts";
import type { AdoptionWish, DataDisk, Problem, Resolved } from "./virtual-machine-plan.ts";
import { resolveVirtualNetwork, virtualNetworkOf } from "./virtual-machine-virtual-network.ts";
import { unsupportedNetworkFields } from "./vm-network-attachment-plan.ts";

/** Where the objects are that a VirtualMachine refers to. */
export interface RelatedObjects extends DiskObjects {
  provider(key: Required<ObjectKey>): Provider | undefined;
  vmClass(key: Required<ObjectKey>): VMClass | undefined;
  image(key: Required<ObjectKey>): VMImage | undefined;
  network(key: Required<ObjectKey>): VMNetworkAttachment | undefined;
  virtualNetwork(key: Required<ObjectKey>): VirtualNetwork | undefined;
}

export interface ResolvedVm {
  readonly definition: VmDefinition;
  readonly dataDisks: readonly DataDisk[];
  readonly diskSizes: readonly DiskSize[];
  /** Of the root disk; the image's own size where that is larger. */
  readonly rootSizeBytes?: number;
  /** What the guest is told about its interfaces, in the order of the definition's. */
  readonly seedNics: readonly SeedNic[];
  readonly expectsAddress: boolean;
}

export function identityOf(vm: VirtualMachine): VmIdentity {
  const adoptedUuid = adoptedUuidOf(vm);
  return {
    uid: vm.metadata.uid ?? "",
    namespace: vm.metadata.namespace ?? "default",
    name: vm.metadata.name,
    ...(adoptedUuid === undefined ? {} : { adoptedUuid }),
  };
}

/** The domain that the VM is by adoption. What a VM has become once it stays, whatever its spec says later. */
export function adoptedUuidOf({ spec, status }: VirtualMachine): string | undefined {
  const { madeOn, adoptedUuid } = status?.provider ?? {};
  if (typeof adoptedUuid === "string") return adoptedUuid;
  return madeOn === undefined ? spec.adopt?.uuid : undefined;
}

/** UUID of the VM's domain, as in events. */
export function domainUidOf(vm: VirtualMachine): string {
  return adoptedUuidOf(vm) ?? vm.metadata.uid ?? "";
}

/** Undefined where the domain is made for the VM. */
export function adoptionOf(vm: VirtualMachine): AdoptionWish | undefined {
  const uuid = adoptedUuidOf(vm);
  if (uuid === undefined) return undefined;
  const { adopt } = vm.spec;
  const deletionPolicy = adopt?.uuid === uuid ? (adopt.deletionPolicy ?? "Release") : "Release";
  if (adopt?.uuid === uuid) return { uuid, deletionPolicy };
  const wanted = adopt === undefined ? "is absent" : `names domain ${adopt.uuid}`;
  const message = `spec.adopt ${wanted}, but this VM is domain ${uuid} by adoption and cannot become another: delete it, which releases the domain`;
  return { uuid, deletionPolicy, problem: { reason: "InvalidSpec", message } };
}

/** The object that a reference means: the VM's own namespace is the default. */
export function keyOf(
  vm: VirtualMachine,
  ref: { readonly name: string; readonly namespace?: string },
): Required<ObjectKey> {
  return { namespace: ref.namespace ?? vm.metadata.namespace ?? "default", name: ref.name };
}

/**
 * The Provider to use: where the VM was made, else the one named, else the only one of its namespace. A VM stays where it was made, so a
 * providerRef changed later is a problem.
 */
export function resolveProvider(
  vm: VirtualMachine,
  related: RelatedObjects,
  madeOn: string | undefined,
): Resolved<Provider> & { readonly made?: Provider } {
  const named = namedProvider(vm, related);
  if (madeOn === undefined) return named;
  const [namespace = "", name = ""] = madeOn.split("/");
  const made = related.provider({ namespace, name });
  if (made === undefined) {
    return failed("ProviderNotFound", `Provider "${madeOn}", on which this VM was made, does not exist`);
  }
  if (vm.spec.providerRef !== undefined && providerKeyOf(vm, vm.spec.providerRef) !== madeOn) {
    const wanted = providerKeyOf(vm, vm.spec.providerRef);
    const message = `spec.providerRef names Provider "${wanted}", but this VM was made on "${madeOn}" and cannot be moved: name that one, or delete and create the VM`;
    return { ...failed("InvalidSpec", message), made };
  }
  return { ok: true, value: made, made };
}

function namedProvider(vm: VirtualMachine, related: RelatedObjects): Resolved<Provider> {
  const effective = effectiveProvider(vm, related.providers());
  switch (effective.kind) {
    case "found": {
      const found = related.provider(effective.key);
      const { namespace, name } = effective.key;
      return found === undefined
        ? failed("ProviderNotFound", `Provider "${namespace}/${name}" does not exist`)
        : { ok: true, value: found };
    }
    case "none":
      return failed(
        "ProviderNotFound",
        `Namespace "${vm.metadata.namespace ?? ""}" has no Provider: create one, or name one in spec.providerRef`,
      );
    case "ambiguous":
      return failed(
        "InvalidSpec",
        `spec.providerRef is absent and there are several Providers (${effective.names.join(", ")}): name one`,
      );
  }
}

function providerKeyOf(vm: VirtualMachine, ref: { readonly name: string; readonly namespace?: string }): string {
  const { namespace, name } = keyOf(vm, ref);
  return `${namespace}/${name}`;
}

export function resolveDefinition(
  vm: VirtualMachine,
  related: RelatedObjects,
  provider: Resolved<Provider>,
): Resolved<ResolvedVm> {
  const problems: Problem[] = provider.ok ? [] : [...provider.problems];
  const add = (reason: Problem["reason"], message: string): void => void problems.push({ reason, message });
  const vmClass = classOf(vm, related, add);
  refuseUnsupported(vm, vmClass, add);
  const { cpus, memoryBytes } = sizeOf(vm, vmClass, add);
  const disks = resolveDisks(vm, vmClass, { objects: related, provider, add });
  const nics = nicsOf(vm, { related, provider, add });
  if (problems.length > 0) return { ok: false, problems };
  const security = vmClass?.spec.securityProfile;
  const definition: VmDefinition = {
    identity: identityOf(vm),
    cpus,
    memoryBytes,
    firmware: (vmClass?.spec.firmware ?? "BIOS") === "BIOS" ? "BIOS" : "UEFI",
    secureBoot: security?.secureBoot ?? false,
    tpm: security?.tpmEnabled ?? false,
    nestedVirtualization: vmClass?.spec.performanceProfile?.nestedVirtualization ?? false,
    disks: disks.disks,
    networks: nics.map(({ nic }) => nic),
  };
  return {
    ok: true,
    value: {
      definition,
      dataDisks: disks.data,
      diskSizes: disks.sizes,
      ...(disks.rootSizeBytes === undefined ? {} : { rootSizeBytes: disks.rootSizeBytes }),
      seedNics: nics.map(({ seed }) => seed),
      expectsAddress: nics.some(({ expectsAddress }) => expectsAddress),
    },
  };
}

function classOf(vm: VirtualMachine, related: RelatedObjects, add: AddProblem): VMClass | undefined {
  const ref = vm.spec.classRef;
  if (ref === undefined) return undefined;
  const key = keyOf(vm, ref);
  const found = related.vmClass(key);
  if (found === undefined) add("ClassNotFound", `VMClass "${key.namespace}/${key.name}" does not exist`);
  return found;
}

function sizeOf(
  vm: VirtualMachine,
  vmClass: VMClass | undefined,
  add: AddProblem,
): { readonly cpus: number; readonly memoryBytes: number } {
  const { resources, classRef } = vm.spec;
  const cpus = resources?.cpu ?? vmClass?.spec.cpu;
  const memoryBytes =
    resources?.memoryMiB === undefined
      ? vmClass && quantityOf(vmClass.spec.memory, `VMClass "${vmClass.metadata.name}" spec.memory`, add)
      : resources.memoryMiB * 1024 ** 2;
  // Where a class is named but missing, that has been said already.
  const isClassMissing = classRef !== undefined && vmClass === undefined;
  if (!isClassMissing && (cpus === undefined || memoryBytes === undefined)) {
    add(
      "InvalidSpec",
      "The VM has no size: name a VMClass in spec.classRef, or give spec.resources.cpu and spec.resources.memoryMiB",
    );
  }
  return { cpus: cpus ?? 0, memoryBytes: memoryBytes ?? 0 };
}

interface ResolvedNic {
  readonly nic: NicDefinition;
  readonly seed: SeedNic;
  readonly expectsAddress: boolean;
}

type DeclaredNic = NonNullable<VirtualMachine["spec"]["networks"]>[number];

function nicsOf(
  vm: VirtualMachine,
  from: { readonly related: RelatedObjects; readonly provider: Resolved<Provider>; readonly add: AddProblem },
): readonly ResolvedNic[] {
  const { add } = from;
  const declared: readonly DeclaredNic[] = vm.spec.networks ?? [{ name: "default" }];
  for (const name of duplicatesOf(declared.map((nic) => nic.name))) {
    add("InvalidSpec", `spec.networks has two interfaces named "${name}"`);
  }
  const macs = macsOf(vm);
  for (const mac of duplicatesOf(macs)) add("InvalidSpec", `spec.networks has two interfaces with MAC address ${mac}`);
  return declared.flatMap((nic, index) => resolveNic(vm, nic, { ...from, mac: macs[index] ?? "" }) ?? []);
}

function resolveNic(
  vm: VirtualMachine,
  declared: DeclaredNic,
  from: {
    readonly related: RelatedObjects;
    readonly provider: Resolved<Provider>;
    readonly add: AddProblem;
    readonly mac: string;
  },
): ResolvedNic | undefined {
  const { add, mac } = from;
  let attachment: VMNetworkAttachment | undefined;
  if (declared.networkRef !== undefined) {
    const key = keyOf(vm, declared.networkRef);
    attachment = from.related.network(key);
    if (attachment === undefined) {
      add("NetworkNotFound", `VMNetworkAttachment "${key.namespace}/${key.name}" does not exist`);
      return undefined;
    }
    const unsupported = unsupportedNetworkFields(attachment.spec);
    if (unsupported.length > 0) {
      const name = `VMNetworkAttachment "${key.namespace}/${key.name}"`;
      add("Unsupported", `${name} asks for what this build cannot honour: ${unsupported.join(", ")}`);
      return undefined;
    }
  }
  const source = sourceOf(vm, declared, { ...from, attachment });
  const seed = seedNicOf(declared, attachment, { add, mac });
  if (source === undefined || seed === undefined) return undefined;
  const mtu = attachment?.spec.network.mtu;
  return {
    nic: {
      name: declared.name,
      source,
      model: attachment?.spec.network.libvirt?.model ?? "virtio",
      mac,
      ...(mtu === undefined || mtu === 1500 ? {} : { mtu }),
    },
    seed,
    expectsAddress: seed.dhcp4 === true || seed.addresses !== undefined,
  };
}

function sourceOf(
  vm: VirtualMachine,
  declared: DeclaredNic,
  from: {
    readonly related: RelatedObjects;
    readonly attachment: VMNetworkAttachment | undefined;
    readonly provider: Resolved<Provider>;
    readonly add: AddProblem;
  },
): NicDefinition["source"] | undefined {
  const { attachment, related, provider, add } = from;
  if (declared.networkRef !== undefined && declared.virtualNetworkRef !== undefined) {
    add("InvalidSpec", `spec.networks: interface "${declared.name}" has networkRef and virtualNetworkRef`);
    return undefined;
  }
  const key = virtualNetworkOf(vm, declared, () => attachment);
  if (key !== undefined) {
    const network = related.virtualNetwork(key);
    return resolveVirtualNetwork(key, { network, provider, providers: related.providers(), add });
  }
  const defaultNetwork = defaultNetworkOf(provider);
  if (attachment === undefined) return { network: defaultNetwork };
  const { type, libvirt } = attachment.spec.network;
  if (libvirt?.bridge !== undefined) return { bridge: libvirt.bridge.name };
  if (libvirt?.networkName !== undefined) return { network: libvirt.networkName };
  if (type === "nat") return { network: defaultNetwork };
  add(
    "InvalidSpec",
    `VMNetworkAttachment "${attachment.metadata.name}" names neither spec.network.libvirt.networkName nor spec.network.libvirt.bridge`,
  );
  return undefined;
}

function seedNicOf(
  declared: DeclaredNic,
  attachment: VMNetworkAttachment | undefined,
  { add, mac }: { readonly add: AddProblem; readonly mac: string },
): SeedNic | undefined {
  const allocation = attachment?.spec.ipAllocation;
  if (allocation?.type === "Pool") {
    add(
      "Unsupported",
      `VMNetworkAttachment "${attachment?.metadata.name ?? ""}" takes addresses from a pool, which is not supported`,
    );
    return undefined;
  }
  const own = declared.dns
    ?.split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const servers = own ?? allocation?.dnsConfig?.servers ?? [];
  const search = allocation?.dnsConfig?.searchDomains ?? [];
  const common: SeedNic = {
    macAddress: mac,
    ...(servers.length + search.length === 0
      ? {}
      : { nameservers: { addresses: servers, ...(search.length === 0 ? {} : { search }) } }),
  };
  if (declared.ipAddress !== undefined) {
    return {
      ...common,
      addresses: [`${declared.ipAddress}/${declared.prefix ?? 24}`],
      ...(declared.gateway === undefined ? {} : { gateway4: declared.gateway }),
    };
  }
  switch (allocation?.type) {
    case "Static": {
      const fixed = allocation.staticConfig;
      if (fixed === undefined) {
        add(
          "InvalidSpec",
          `VMNetworkAttachment "${attachment?.metadata.name ?? ""}" is Static and has no spec.ipAllocation.staticConfig`,
        );
        return undefined;
      }
      const routes = (fixed.routes ?? []).map((route) => ({
        to: route.destination,
        via: route.gateway,
        ...(route.metric === undefined ? {} : { metric: route.metric }),
      }));
      return {
        ...common,
        addresses: [fixed.address],
        ...(fixed.gateway === undefined ? {} : { gateway4: fixed.gateway }),
        ...(routes.length === 0 ? {} : { routes }),
      };
    }
    case "None":
      return { ...common, dhcp4: false };
    case "DHCP":
    case undefined:
      return { ...common, dhcp4: true };
  }
}

/** Of the VM's interfaces in their order: as declared, else derived from the uid, so that each try gives the same. */
export function macsOf(vm: VirtualMachine): readonly string[] {
  const declared: readonly DeclaredNic[] = vm.spec.networks ?? [{ name: "default" }];
  return declared.map(
    (nic, index) => nic.macAddress?.toLowerCase().replaceAll("-", ":") ?? derivedMac(vm.metadata.uid ?? "", index),
  );
}

/** In QEMU's range. */
export function derivedMac(uid: string, index: number): string {
  const digest = createHash("sha256").update(`${uid}/${index}`).digest();
  return ["52", "54", "00", ...[0, 1, 2].map((at) => (digest[at] ?? 0).toString(16).padStart(2, "0"))].join(":");
}

/** Fields that would change what the VM is, and that this build cannot honour: refused, not ignored. */
function refuseUnsupported(vm: VirtualMachine, vmClass: VMClass | undefined, add: AddProblem): void {
  const { spec } = vm;
  const refuse = (field: string): void => add("Unsupported", `${field} is not supported`);
  if (spec.adopt !== undefined)
    add("InvalidSpec", "spec.adopt: this VM was made here, and cannot become another domain");
  if (spec.importedDisk !== undefined) refuse("spec.importedDisk");
  if (spec.resources?.gpu !== undefined) refuse("spec.resources.gpu");
  if (spec.userData?.ignition !== undefined) refuse("spec.userData.ignition");
  if (spec.snapshot?.revertToRef !== undefined) refuse("spec.snapshot.revertToRef");
  const security = vmClass?.spec.securityProfile;
  if (security?.vtdEnabled === true)
    refuse(`VMClass "${vmClass?.metadata.name ?? ""}" spec.securityProfile.vtdEnabled`);
  if (security?.encryptionPolicy?.requireEncryption === true) {
    refuse(`VMClass "${vmClass?.metadata.name ?? ""}" spec.securityProfile.encryptionPolicy.requireEncryption`);
  }
}

/** Fields that the VM can do without, and that this build does not apply: it is made, and told of. */
export function fieldsNotApplied({ spec }: VirtualMachine): readonly string[] {
  const fields: readonly (readonly [string, unknown])[] = [
    ["spec.placement", spec.placement],
    ["spec.placementRef", spec.placementRef],
    ["spec.lifecycle.preStop", spec.lifecycle?.preStop],
    ["spec.lifecycle.postStart", spec.lifecycle?.postStart],
    ["spec.disks[].storageClass", spec.disks?.find((disk) => disk.storageClass !== undefined)],
  ];
  return fields.flatMap(([field, value]) => (value === undefined ? [] : [field]));
}

export function gracefulTimeoutOf(vm: VirtualMachine): Resolved<number> {
  const text = vm.spec.lifecycle?.gracefulShutdownTimeout ?? "60s";
  try {
    return { ok: true, value: parseDuration(text) };
  } catch {
    return failed("InvalidSpec", `spec.lifecycle.gracefulShutdownTimeout: "${text}" is no duration such as 90s`);
  }
}

function defaultNetworkOf(provider: Resolved<Provider>): string {
  return (provider.ok ? provider.value.spec.defaults?.network : undefined) ?? "default";
}

function failed(
  reason: Problem["reason"],
  message: string,
): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ reason, message }] };
}
