// Resolves a VirtualMachine and all that it refers to into what to build, or into everything that is missing or wrong at once. Pure.

import { parseDuration } from "@vivarium/api";
import type { ObjectKey, Provider, VirtualMachine, VMClass, VMClone, VMImage } from "@vivarium/api";
import type { SeedNic } from "@vivarium/images";
import type { VmDefinition, VmIdentity } from "@vivarium/provider";
import { effectiveProvider } from "../../effective-provider.ts";
import { quantityOf, resolveDisks } from "./disks.ts";
import type { AddProblem, DiskObjects } from "./disks.ts";
import { hardwareOf } from "./hardware.ts";
import type { DiskSize } from "../plan/disk-plan.ts";
import { resolveNics } from "./nics.ts";
import type { NicObjects } from "./nics.ts";
import type { AdoptionWish, DataDisk, Problem, Resolved } from "../plan/input.ts";

/** Where the objects are that a VirtualMachine refers to. */
export interface RelatedObjects extends DiskObjects, NicObjects {
  provider(key: Required<ObjectKey>): Provider | undefined;
  vmClass(key: Required<ObjectKey>): VMClass | undefined;
  image(key: Required<ObjectKey>): VMImage | undefined;
  clone(key: Required<ObjectKey>): VMClone | undefined;
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
  related: Pick<RelatedObjects, "provider" | "providers">,
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
    const message = `spec.providerRef names Provider "${wanted}", but this VM was made on "${madeOn}" and cannot be moved by its spec: name that one, or make a VMMigration with spec.target.name and spec.target.providerRef, which makes a new VM there of copies of its disks`;
    return { ...failed("InvalidSpec", message), made };
  }
  return { ok: true, value: made, made };
}

function namedProvider(
  vm: VirtualMachine,
  related: Pick<RelatedObjects, "provider" | "providers">,
): Resolved<Provider> {
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
  const nics = resolveNics(vm, { objects: related, provider, add });
  const security = vmClass?.spec.securityProfile;
  const hardware = hardwareOf(vm, vmClass, {
    cpus,
    memoryBytes,
    providerType: provider.ok ? provider.value.spec.type : undefined,
    add,
  });
  if (problems.length > 0) return { ok: false, problems };
  const definition: VmDefinition = {
    identity: identityOf(vm),
    cpus,
    memoryBytes,
    ...hardware,
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

/** Fields that would change what the VM is, and that this build cannot honour: refused, not ignored. */
function refuseUnsupported(vm: VirtualMachine, vmClass: VMClass | undefined, add: AddProblem): void {
  const { spec } = vm;
  const refuse = (field: string): void => add("Unsupported", `${field} is not supported`);
  if (spec.adopt !== undefined)
    add("InvalidSpec", "spec.adopt: this VM was made here, and cannot become another domain");
  const source = spec.importedDisk?.source;
  if (spec.importedDisk !== undefined && source !== "clone" && source !== "migration") refuse("spec.importedDisk");
  if (spec.resources?.gpu !== undefined) refuse("spec.resources.gpu");
  if (spec.userData?.ignition !== undefined) refuse("spec.userData.ignition");
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
    ...placementNotApplied(spec.placement),
    ["spec.lifecycle.preStop", spec.lifecycle?.preStop],
    ["spec.lifecycle.postStart", spec.lifecycle?.postStart],
    ["spec.disks[].storageClass", spec.disks?.find((disk) => disk.storageClass !== undefined)],
  ];
  return fields.flatMap(([field, value]) => (value === undefined ? [] : [field]));
}

/** On which host the VM shall be is applied; see placement/. */
function placementNotApplied(placement: VirtualMachine["spec"]["placement"]): readonly (readonly [string, unknown])[] {
  const { host: _, hostSelector: _selector, tolerations: _tolerations, ...rest } = placement ?? {};
  return Object.entries(rest).map(([field, value]) => [`spec.placement.${field}`, value]);
}

/** What the VM takes of its host; nothing where that cannot be told. */
export function amountOf(
  vm: VirtualMachine,
  related: Pick<RelatedObjects, "vmClass">,
): { readonly cpus: number; readonly memoryBytes: number } {
  const ref = vm.spec.classRef;
  return sizeOf(vm, ref && related.vmClass(keyOf(vm, ref)), () => undefined);
}

export function gracefulTimeoutOf(vm: VirtualMachine): Resolved<number> {
  const text = vm.spec.lifecycle?.gracefulShutdownTimeout ?? "60s";
  try {
    return { ok: true, value: parseDuration(text) };
  } catch {
    return failed("InvalidSpec", `spec.lifecycle.gracefulShutdownTimeout: "${text}" is no duration such as 90s`);
  }
}

function failed(
  reason: Problem["reason"],
  message: string,
): { readonly ok: false; readonly problems: readonly Problem[] } {
  return { ok: false, problems: [{ reason, message }] };
}
