// Reads from a VMImage's status whether one provider has it. The VMImage controller writes it; the VirtualMachine controller clones from it.

import { findCondition } from "@vivarium/api";
import type { KubeObject, VMImage } from "@vivarium/api";
import type { ProviderKey } from "./provider-registry.ts";

export type ImageOnProvider =
  /** `id` is what `DiskRole.ensureRoot` wants. */
  | { readonly kind: "available"; readonly id: string }
  /** On its way, or it failed: `reason` and `message` are those of the image's Ready condition, or say that nobody has looked yet. */
  | { readonly kind: "missing"; readonly reason: string; readonly message: string };

export function imageOnProvider(image: VMImage, provider: ProviderKey): ImageOnProvider {
  const isCurrent = image.status?.observedGeneration === image.metadata.generation;
  const entry = isCurrent ? image.status?.providerStatus?.[providerStatusKey(image, provider)] : undefined;
  if (entry?.available === true && entry.id !== undefined) return { kind: "available", id: entry.id };
  const ready = isCurrent ? findCondition(image.status?.conditions, "Ready") : undefined;
  if (ready === undefined || ready.status === "True") {
    return { kind: "missing", reason: "Importing", message: "The image is being prepared" };
  }
  return { kind: "missing", reason: ready.reason, message: entry?.message ?? ready.message };
}

/** The provider's name; with its namespace where that is not the image's own. */
export function providerStatusKey(object: KubeObject, provider: ProviderKey): string {
  return provider.namespace === object.metadata.namespace ? provider.name : `${provider.namespace}/${provider.name}`;
}

export function providerOfStatusKey(image: VMImage, key: string): ProviderKey {
  const slash = key.indexOf("/");
  if (slash === -1) return { namespace: image.metadata.namespace ?? "", name: key };
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
