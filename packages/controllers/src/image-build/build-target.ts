// What a build is to make, and whether its Provider can make it.

import { Provider, VMImage, VMRole } from "@vivarium/api";
import type { ImageBuild } from "@vivarium/api";
import { layerDigestOf, neededUrls, recipeDigestOf } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { Cache, Manager } from "@vivarium/runtime";
import { imageOnProvider } from "../image-on-provider.ts";
import { imageOfBuild, parentOf } from "../image-users.ts";
import { hostsOf, isOnThisMachine } from "../provider-config.ts";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { ensureRoleImages } from "../roles/ensure-role-images.ts";
import { recordedDigest } from "../vm-image-source.ts";
import type { BuildProvider, BuildTarget } from "./image-build-plan.ts";
import { buildRecordOf } from "./image-build-status.ts";

export class BuildTargets {
  readonly #manager: Manager;
  readonly #registry: ProviderRegistry;
  readonly #images: Cache<VMImage>;
  readonly #roles: Cache<VMRole>;
  readonly #providers: Cache<Provider>;

  constructor(manager: Manager, registry: ProviderRegistry) {
    this.#manager = manager;
    this.#registry = registry;
    this.#images = manager.cache(VMImage);
    this.#roles = manager.cache(VMRole);
    this.#providers = manager.cache(Provider);
  }

  async find(
    build: ImageBuild,
    {
      provider,
      isEnded,
      signal,
    }: { readonly provider: ProviderKey | undefined; readonly isEnded: boolean; readonly signal: AbortSignal },
  ): Promise<{ readonly target: BuildTarget; readonly image: VMImage | undefined }> {
    const { namespace = "default" } = build.metadata;
    const problem = (reason: string, message: string) =>
      ({ target: { kind: "problem", reason, message }, image: undefined }) as const;
    const { roleRef, imageRef } = build.spec;
    if ((roleRef === undefined) === (imageRef === undefined)) {
      return problem("InvalidSpec", "It needs exactly one of spec.roleRef and spec.imageRef");
    }
    let name = imageOfBuild(build);
    // Once it has begun it is about that image, whatever became of the role.
    if (roleRef !== undefined && !isEnded && buildRecordOf(build).attempt === 0) {
      const found = await ensureRoleImages(this.#manager, { roleRef, namespace, roles: this.#roles, signal });
      if (found.kind === "problem") return problem(found.reason, found.message);
      name = found.images.at(-1)?.name;
    }
    const image = name === undefined ? undefined : this.#images.get({ namespace, name });
    const layer = image?.spec.source?.layer;
    if (name === undefined || image === undefined)
      return problem("ImageNotFound", `VMImage "${name ?? ""}" does not exist`);
    if (layer === undefined) return problem("NotALayer", `VMImage "${name}" is no layer: there is nothing to build`);
    const parent = this.#images.get(parentOf(image) ?? { namespace, name: "" });
    const digest = parent && recordedDigest(parent);
    const isGone = parent === undefined || parent.metadata.deletionTimestamp !== undefined;
    const there = parent === undefined || provider === undefined ? undefined : imageOnProvider(parent, provider);
    return {
      image,
      target: {
        kind: "found",
        image: name,
        parent: layer.parentRef.name,
        parentIs: isGone
          ? { kind: "gone" }
          : there?.kind === "available"
            ? { kind: "ready" }
            : { kind: "preparing", message: parent.status?.message ?? there?.message ?? "it is being prepared" },
        ...(digest === undefined ? {} : { digest: layerDigestOf(digest, layer) }),
        recipeDigest: recipeDigestOf(layer),
        sources: this.#isNear(provider) ? neededUrls(layer) : [],
      },
    };
  }

  async lookAtProvider(
    key: ProviderKey | undefined,
    { digest, signal }: { readonly digest: string | undefined; readonly signal: AbortSignal },
  ): Promise<BuildProvider> {
    if (key === undefined) {
      const message = "It names no Provider, and its namespace has none or several: name one in spec.providerRef";
      return { kind: "problem", reason: "ProviderNotFound", message, isHopeless: false };
    }
    const open = this.#registry.get(key);
    if (open === undefined) {
      const message = `Provider "${key.namespace}/${key.name}" cannot be asked${key.host === undefined ? "; one with several hosts wants spec.host" : ""}`;
      return { kind: "problem", reason: "ProviderNotReady", message, isHopeless: false };
    }
    if (open.layers === undefined || open.console === undefined) {
      const message = `Provider "${key.namespace}/${key.name}" cannot make image layers`;
      return { kind: "problem", reason: "Unsupported", message, isHopeless: true };
    }
    if (digest === undefined) return { kind: "open", layer: { kind: "unknown" } };
    try {
      const found = await open.images.find(digest, { signal });
      return { kind: "open", layer: { kind: found === undefined ? "absent" : "present" } };
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return { kind: "open", layer: { kind: "unavailable", error } };
    }
  }

  /** Of a hypervisor elsewhere only its guests know what they reach. */
  #isNear(key: ProviderKey | undefined): boolean {
    const provider = key && this.#providers.get(key);
    if (key === undefined || provider === undefined) return false;
    const hosts = hostsOf(provider);
    const host = key.host === undefined ? hosts[0] : hosts.find(({ name }) => name === key.host);
    return host !== undefined && isOnThisMachine(host);
  }
}
