// Who needs a VMImage, and on which provider: machines that are cloned from it, volumes that begin with it, layers that are built upon it.

import { ImageBuild, Provider, StoragePool, VirtualMachine, VMImage, Volume } from "@vivarium/api";
import type { Cache, Manager, ReconcileRequest } from "@vivarium/runtime";
import { effectiveProvider } from "./effective-provider.ts";
import { imageOnProvider, providerStatusKey } from "./image-on-provider.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { requestOf } from "./request-of.ts";
import { providerOfPlaced } from "./placed/placed-object.ts";
import { connectionOfVm } from "./vm-host.ts";
import { referredBy } from "./volume-resolve.ts";

export class ImageUsers {
  readonly #providers: Cache<Provider>;
  readonly #machines: Cache<VirtualMachine>;
  readonly #volumes: Cache<Volume>;
  readonly #pools: Cache<StoragePool>;
  readonly #images: Cache<VMImage>;
  readonly #builds: Cache<ImageBuild>;

  constructor(manager: Manager) {
    this.#providers = manager.cache(Provider);
    this.#machines = manager.cache(VirtualMachine);
    this.#volumes = manager.cache(Volume);
    this.#pools = manager.cache(StoragePool);
    this.#images = manager.cache(VMImage);
    this.#builds = manager.cache(ImageBuild);
  }

  /** Providers that need it now. */
  of(image: VMImage): readonly ProviderKey[] {
    const found = new Map<string, ProviderKey>();
    this.#collect(image, found, new Set());
    return [...found.values()];
  }

  /** The image and all that it is built upon: a new user of it is one of all of them. */
  withAncestors(request: ReconcileRequest): readonly ReconcileRequest[] {
    const chain: ReconcileRequest[] = [];
    for (let next: ReconcileRequest | undefined = request; next !== undefined;) {
      const { namespace, name }: ReconcileRequest = next;
      if (chain.some((each) => isSame(each, { namespace, name }))) break;
      chain.push({ namespace, name });
      const image: VMImage | undefined = this.#images.get(next);
      next = image && parentOf(image);
    }
    return chain;
  }

  /** Layers that are built upon it. */
  layersOn(image: VMImage): readonly VMImage[] {
    const own = requestOf(image);
    return this.#images.list({ namespace: own.namespace }).filter((other) => {
      const parent = parentOf(other);
      return parent !== undefined && isSame(parent, own) && other.metadata.deletionTimestamp === undefined;
    });
  }

  #collect(image: VMImage, found: Map<string, ProviderKey>, visited: Set<string>): void {
    const own = requestOf(image);
    if (visited.has(own.name)) return;
    visited.add(own.name);
    const add = (key: ProviderKey | undefined): void => {
      if (key !== undefined && this.#providers.get(key) !== undefined) found.set(providerStatusKey(image, key), key);
    };
    for (const vm of this.#machines.list()) {
      const wanted = imageOfMachine(vm);
      if (wanted === undefined || vm.metadata.deletionTimestamp !== undefined || !isSame(wanted, own)) continue;
      add(this.providerOfMachine(vm));
    }
    for (const volume of this.#volumes.list()) {
      const wanted = imageOfVolume(volume);
      if (wanted === undefined || !isSame(wanted, own) || volume.status?.phase === "Ready") continue;
      const pool = this.#pools.get(referredBy(volume, volume.spec.poolRef));
      add(pool && providerOfPlaced(pool, this.#providers.list()));
    }
    for (const build of this.#builds.list({ namespace: own.namespace })) {
      if (imageOfBuild(build) === own.name && isWanted(build)) add(this.providerOfBuild(build));
    }
    for (const layer of this.layersOn(image)) {
      const needs = new Map<string, ProviderKey>();
      this.#collect(layer, needs, visited);
      for (const key of needs.values()) if (imageOnProvider(layer, key).kind === "missing") add(key);
    }
  }

  /** Of several hosts only once the VM is bound to one. */
  providerOfMachine(vm: VirtualMachine): ProviderKey | undefined {
    const effective = effectiveProvider(vm, this.#providers.list());
    const provider = effective.kind === "found" ? this.#providers.get(effective.key) : undefined;
    return provider && connectionOfVm(vm, provider);
  }

  /** Undefined where it names none and there is not just one. */
  providerOfBuild(build: ImageBuild): ProviderKey | undefined {
    const effective = effectiveProvider(build, this.#providers.list());
    if (effective.kind !== "found") return undefined;
    return build.spec.host === undefined ? effective.key : { ...effective.key, host: build.spec.host };
  }
}

export function isPending({ metadata, status }: ImageBuild): boolean {
  return metadata.deletionTimestamp === undefined && !hasEnded(status?.phase);
}

/** Until it is known that its sources answer, nothing is made for it. */
function isWanted(build: ImageBuild): boolean {
  const phase = build.status?.phase;
  return isPending(build) && phase !== undefined && phase !== "Checking";
}

function hasEnded(phase: NonNullable<ImageBuild["status"]>["phase"]): boolean {
  return phase === "Succeeded" || phase === "Failed" || phase === "Cancelled";
}

export function imageOfBuild({ spec, status }: ImageBuild): string | undefined {
  return status?.image ?? spec.imageRef?.name;
}

export function imageOfMachine(vm: VirtualMachine): ReconcileRequest | undefined {
  const ref = vm.spec.imageRef;
  return ref === undefined ? undefined : { namespace: ref.namespace ?? vm.metadata.namespace ?? "", name: ref.name };
}

export function imageOfVolume(volume: Volume): ReconcileRequest | undefined {
  const ref = volume.spec.source?.imageRef;
  return ref === undefined ? undefined : referredBy(volume, ref);
}

/** Of a layer. */
export function parentOf({ metadata, spec }: VMImage): ReconcileRequest | undefined {
  const layer = spec.source?.layer;
  return layer && { namespace: metadata.namespace ?? "", name: layer.parentRef.name };
}

function isSame(one: ReconcileRequest, other: ReconcileRequest): boolean {
  return one.name === other.name && one.namespace === other.namespace;
}
