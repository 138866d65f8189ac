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

/** The provider's name; with its namespace where that is not the image's own, and with the host where it has several. */
export function providerStatusKey(object: KubeObject, provider: ProviderKey): string {
  const host = provider.host === undefined ? "" : `@${provider.host}`;
  const isNear = provider.namespace === object.metadata.namespace;
  return isNear ? `${provider.name}${host}` : `${provider.namespace}/${provider.name}${host}`;
}

export function providerOfStatusKey(image: VMImage, key: string): ProviderKey {
  const [provider = "", host] = key.split("@");
  const slash = provider.indexOf("/");
  const namespace = slash === -1 ? (image.metadata.namespace ?? "") : provider.slice(0, slash);
  return { namespace, name: provider.slice(slash + 1), ...(host === undefined ? {} : { host }) };
}
