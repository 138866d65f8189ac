// From a VMImage's spec to what there is to do, or to why it cannot be done. Pure.

import { imageSourcesOf, InvalidValueError, parseDuration, unusableImageSourcesOf } from "@vivarium/api";
import type { DeclaredImageSource, VMImage, VMImageSpec } from "@vivarium/api";
import { safeUrl } from "@vivarium/images";

export interface ImageWork {
  readonly kind: "work";
  /** In the order in which they are tried; never empty. */
  readonly sources: readonly DeclaredImageSource[];
  readonly onMissing: "Import" | "Fail" | "Wait";
  readonly timeoutMs: number;
  readonly retries: number;
  /** How often a source is asked for a newer image; absent where it is not. */
  readonly refreshMs?: number;
  /** Prepared anew once for each generation of the spec, also where it is there. */
  readonly isForced: boolean;
}

export interface ImageProblem {
  readonly kind: "problem";
  readonly reason: "InvalidSpec" | "Unsupported" | "NoSource";
  readonly message: string;
}

const leastRefreshMs = 60_000;

export function imageWorkOf(image: VMImage): ImageWork | ImageProblem {
  const { spec } = image;
  const unsupported = unsupportedFields(spec);
  if (unsupported.length > 0) {
    return problem("Unsupported", `This build cannot honour ${unsupported.join(", ")}: remove them`);
  }
  try {
    const sources = imageSourcesOf(spec);
    if (sources.length === 0) return noSource(spec);
    const { onMissing, timeout, retries, refreshInterval, force: isForced = false } = spec.prepare ?? {};
    if (isForced && onMissing !== undefined && onMissing !== "Import") {
      return problem("InvalidSpec", `spec.prepare.force is true, and spec.prepare.onMissing ${onMissing}`);
    }
    const refreshMs = refreshInterval === undefined ? undefined : parseDuration(refreshInterval);
    if (refreshMs !== undefined && refreshMs < leastRefreshMs) {
      return problem("InvalidSpec", `spec.prepare.refreshInterval is ${refreshInterval}, expected 1m at least`);
    }
    return {
      kind: "work",
      sources: withUsedFirst(sources, image),
      onMissing: onMissing ?? "Import",
      timeoutMs: parseDuration(timeout ?? "30m"),
      retries: retries ?? 3,
      isForced,
      ...(refreshMs === undefined ? {} : { refreshMs }),
    };
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    return problem("InvalidSpec", error.field === undefined ? error.message : `${error.field}: ${error.message}`);
  }
}

/** The digest that the status names, if it is of this spec. */
export function recordedDigest({ metadata, status }: VMImage): string | undefined {
  return status?.observedGeneration === metadata.generation ? status?.digest : undefined;
}

/** Digests under which the image may already lie on a provider: what the status remembers, and what the spec promises. */
export function candidateDigests(image: VMImage, work: ImageWork): readonly string[] {
  const recorded = recordedDigest(image);
  if (recorded !== undefined) return [recorded];
  if (work.isForced) return [];
  return work.sources.flatMap((source) => promisedDigest(source) ?? []);
}

/** The digest of what the source gives, where that is known beforehand. */
export function promisedDigest(source: DeclaredImageSource): string | undefined {
  if (source.kind !== "url" || source.checksum?.algorithm !== "sha256" || source.stored !== undefined) return undefined;
  return `sha256:${source.checksum.hex}`;
}

/** Whether it is still to be prepared anew. What the status says of this generation was written after that. */
export function isToBeRenewed(image: VMImage, { isForced }: ImageWork): boolean {
  return isForced && recordedDigest(image) === undefined;
}

/** For people. What a URL has beside the place may be a credential. */
export function describeSource(source: DeclaredImageSource): string {
  return source.kind === "url"
    ? safeUrl(source.url)
    : `a Debian image of this host's mirrors${source.suite === undefined ? "" : ` (${source.suite})`}`;
}

/** What was used once stays the first choice: an image that was built here is not replaced when its URL answers again. */
function withUsedFirst(sources: readonly DeclaredImageSource[], image: VMImage): readonly DeclaredImageSource[] {
  const used = recordedDigest(image) === undefined ? undefined : image.status?.source;
  const isUsed = (source: DeclaredImageSource): boolean => source.kind === used;
  return [...sources.filter(isUsed), ...sources.filter((source) => !isUsed(source))];
}

function noSource(spec: VMImageSpec): ImageProblem {
  const unusable = unusableImageSourcesOf(spec);
  return unusable.length > 0
    ? problem("Unsupported", `This build can use none of the image's sources: ${unusable.join(", ")}`)
    : problem(
        "NoSource",
        "The image has no source: give spec.source.libvirt.url, spec.source.http or spec.source.debootstrap",
      );
}

/** Fields that would change what the image is or where it lies. */
function unsupportedFields(spec: VMImageSpec): readonly string[] {
  const { prepare } = spec;
  const storage = prepare?.storage;
  const fields: readonly (readonly [string, boolean])[] = [
    ["spec.source.libvirt.storagePool", spec.source?.libvirt?.storagePool !== undefined],
    ["spec.libvirt.storagePool", spec.libvirt?.storagePool !== undefined],
    ["spec.prepare.storage.preferredFormat", !isStorable(storage?.preferredFormat)],
    ["spec.prepare.storage.libvirt.allocationPolicy", storage?.libvirt?.allocationPolicy === "eager"],
    ["spec.prepare.storage.libvirt.storagePool", storage?.libvirt?.storagePool !== undefined],
    ["spec.prepare.storage.libvirt.preallocation", (storage?.libvirt?.preallocation ?? "off") !== "off"],
    ["spec.prepare.optimization.removeUnusedSpace", prepare?.optimization?.removeUnusedSpace === true],
    ["spec.prepare.optimization.enableDeltaSync", prepare?.optimization?.enableDeltaSync === true],
    ["spec.prepare.optimization.convertFormat", !isStorable(prepare?.optimization?.convertFormat)],
  ];
  return fields.flatMap(([field, isSet]) => (isSet ? [field] : []));
}

function isStorable(format: string | undefined): boolean {
  return format === undefined || format === "qcow2" || format === "raw";
}

function problem(reason: ImageProblem["reason"], message: string): ImageProblem {
  return { kind: "problem", reason, message };
}
