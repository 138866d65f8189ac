// Which images of a Provider's hosts nobody means any more, and which of them go. Pure.
//
// An image goes only when no VMImage means it, nothing backs onto it, and somebody asked: with the annotation for now, or with
// spec.imageCollection for what has been unused for that long.

import {
  collectImagesAnnotation,
  collectImagesRequestAnnotation,
  formatQuantity,
  formatTime,
  parseDuration,
} from "@vivarium/api";
import type { Provider, ProviderStatus, VMImage } from "@vivarium/api";
import type { StoredImage } from "@vivarium/provider";

export type Collection = NonNullable<ProviderStatus["imageCollection"]>;
export type CollectedImage = NonNullable<Collection["images"]>[number];

export interface FoundImage {
  readonly host: string;
  readonly image: StoredImage;
}

export type CollectionRequest =
  | { readonly kind: "none" }
  | { readonly kind: "invalid"; readonly id: string; readonly message: string }
  /** The id is the same for the same wish. */
  | { readonly kind: "wanted"; readonly id: string; readonly mode: "Collect" | "DryRun" };

export function collectionRequestOf({ metadata }: Provider): CollectionRequest {
  const { [collectImagesAnnotation]: mode, [collectImagesRequestAnnotation]: time = "" } = metadata.annotations ?? {};
  if (mode === undefined || mode === "" || mode === "false") return { kind: "none" };
  const id = JSON.stringify([mode, time]);
  if (mode === "true") return { kind: "wanted", id, mode: "Collect" };
  if (mode === "dry-run") return { kind: "wanted", id, mode: "DryRun" };
  return {
    kind: "invalid",
    id,
    message: `Annotation ${collectImagesAnnotation} is "${mode}", expected true or dry-run`,
  };
}

export const leastUnusedMs = 600_000;

/** How long an image must be unused to go by itself; undefined where none does. */
export function unusedMsOf({ spec }: Provider): number | undefined {
  const { imageCollection } = spec;
  return imageCollection === undefined ? undefined : Math.max(leastUnusedMs, parseDuration(imageCollection.unusedFor));
}

export interface CollectionPlan {
  /** All that no VMImage means. */
  readonly images: readonly CollectedImage[];
  readonly removals: readonly { readonly host: string; readonly id: string }[];
}

export function planCollection(
  provider: Provider,
  {
    found,
    images,
    nowMs,
    mode,
  }: {
    readonly found: readonly FoundImage[];
    readonly images: readonly VMImage[];
    readonly nowMs: number;
    /** `Aged` takes what has been unused for as long as the spec says. */
    readonly mode: "Collect" | "DryRun" | "Aged";
  },
): CollectionPlan {
  const known = provider.status?.imageCollection?.images ?? [];
  const hasSeveralHosts = new Set(found.map(({ host }) => host)).size > 1;
  const agedMs = unusedMsOf(provider) ?? Number.POSITIVE_INFINITY;
  const collected: CollectedImage[] = [];
  const removals: { readonly host: string; readonly id: string }[] = [];
  for (const { host, image } of found) {
    if (images.some((each) => isMeant(image, each))) continue;
    const before = known.find((each) => each.id === image.id && (each.host ?? host) === host);
    const isUnused = image.users.length === 0;
    const since = before?.verdict === "InUse" ? undefined : before?.unusedSince;
    const sinceMs = since === undefined ? nowMs : Date.parse(since);
    collected.push({
      id: image.id,
      ...(hasSeveralHosts ? { host } : {}),
      size: formatQuantity(image.sizeBytes),
      verdict: isUnused ? "Unused" : "InUse",
      ...(isUnused ? { unusedSince: formatTime(new Date(sinceMs)) } : { usedBy: [...image.users].sort() }),
    });
    const isDue = mode === "Collect" || (mode === "Aged" && nowMs - sinceMs >= agedMs);
    if (isUnused && isDue) removals.push({ host, id: image.id });
  }
  return { images: collected, removals };
}

/** By content: also the image that is being brought there, or was before its VMImage is being deleted. */
function isMeant({ id, digestStart }: StoredImage, { status }: VMImage): boolean {
  if (status?.digest?.startsWith(digestStart) === true) return true;
  return Object.values(status?.providerStatus ?? {}).some((entry) => entry.id === id);
}
