// The part of the VMImage controller for layers: they are not fetched but built, on each provider that needs them, by an ImageBuild. Parents
// come first: whoever needs a layer needs its parent for as long as the layer is not there (see ImageUsers).

import { createHash } from "node:crypto";
import { findCondition, ImageBuild, isStatus, VMImage } from "@vivarium/api";
import { layerDigestOf } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import { ensureFinalizer, related, writeStatus } from "@vivarium/runtime";
import type { Clock, Manager, ReconcileContext, ReconcileResult, RelatedWatch } from "@vivarium/runtime";
import { imageOnProvider, providerStatusKey } from "../image-on-provider.ts";
import { imageOfBuild, isPending, parentOf } from "../image-users.ts";
import type { ImageUsers } from "../image-users.ts";
import type { ImageValidations } from "../image-validation/image-validations.ts";
import { ObjectNews } from "../object-news.ts";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { vmImageFinalizer } from "../vm-image-removal.ts";
import { recordedDigest } from "../vm-image-source.ts";
import { layerImageStatus } from "./layer-image-status.ts";
import type { LayerLook, LayerUser } from "./layer-image-status.ts";

interface LayerImages {
  readonly related: readonly RelatedWatch<never>[];
  prepare(image: VMImage, context: ReconcileContext): Promise<ReconcileResult>;
}

interface Options {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly users: ImageUsers;
  readonly clock: Clock;
  readonly validations: ImageValidations;
}

const lookAgainMs = 60_000;

export function createLayerImages({ manager, registry, users, clock, validations }: Options): LayerImages {
  const { client, recorder } = manager;
  const images = manager.cache(VMImage);
  const builds = manager.cache(ImageBuild);
  const imageNews = new ObjectNews<VMImage>(({ metadata, status }) => [
    metadata.generation,
    status?.digest,
    status?.phase,
    status?.availableOn,
  ]);

  async function prepare(image: VMImage, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const look = await observe(image, signal);
    let current = image;
    if (look.users.some(({ seen }) => seen.kind !== "blind")) {
      // Recorded before anything is made: a deletion after a crash must know what to look for.
      const wanted = { type: VMImage, object: image, finalizer: vmImageFinalizer };
      current = await ensureFinalizer(client, wanted, { signal });
    }
    for (const user of look.users) {
      const { digest } = look;
      if (user.seen.kind === "absent" && digest !== undefined) {
        await ensureBuild(image, user, { digest, isParentThere: isParentThere(image), signal });
      }
    }
    const status = validations.fold(current, layerImageStatus(current, look));
    await writeStatus(client, { type: VMImage, object: current, status }, { signal });
    const [before, now] = [image.status, status].map((each) => each?.conditions?.find(({ type }) => type === "Ready"));
    if (now !== undefined && now.reason !== before?.reason && (now.status === "True" || status.phase === "Failed")) {
      const type = now.status === "True" ? "Normal" : "Warning";
      recorder.record(current, { type, reason: now.reason, message: now.message });
    }
    validations.settle(image, status);
    return look.users.length === 0 ? undefined : { requeueAfterMs: lookAgainMs };
  }

  async function observe(image: VMImage, signal: AbortSignal): Promise<LayerLook> {
    const keys = users.of(image);
    const parent = lookAtParent(image, keys);
    const layer = image.spec.source?.layer;
    const digest = parent.kind === "known" && layer !== undefined ? layerDigestOf(parent.digest, layer) : undefined;
    const seen = await Promise.all(keys.map((key) => lookAtUser(image, key, { digest, signal })));
    return { nowMs: clock.now(), parent, ...(digest === undefined ? {} : { digest }), users: seen };
  }

  function isParentThere(image: VMImage): boolean {
    const request = parentOf(image);
    const parent = request && images.get(request);
    return parent !== undefined && parent.metadata.deletionTimestamp === undefined;
  }

  function lookAtParent(image: VMImage, keys: readonly ProviderKey[]): LayerLook["parent"] {
    const request = parentOf(image);
    const name = request?.name ?? "";
    const parent = request && images.get(request);
    if (parent === undefined) return { kind: "missing", name };
    // That it is to be deleted changes its generation, and nothing of what it is.
    const isGoing = parent.metadata.deletionTimestamp !== undefined;
    const digest = isGoing ? parent.status?.digest : recordedDigest(parent);
    if (digest !== undefined) return { kind: "known", name, digest };
    const missing = keys.map((key) => imageOnProvider(parent, key)).find(({ kind }) => kind === "missing");
    const why = missing?.kind === "missing" ? missing.message : (parent.status?.message ?? "it is being prepared");
    return { kind: "waiting", name, why };
  }

  async function lookAtUser(
    image: VMImage,
    provider: ProviderKey,
    { digest, signal }: { readonly digest: string | undefined; readonly signal: AbortSignal },
  ): Promise<LayerUser> {
    const statusKey = providerStatusKey(image, provider);
    const build = buildOf(image, statusKey, digest);
    const made = builds.list({ namespace: requestOf(image).namespace }).find((other) => {
      if (other.status?.size === undefined || digest === undefined || other.status.digest !== digest) return false;
      // The same layer that was made elsewhere has other bytes.
      const key = users.providerOfBuild(other);
      return key !== undefined && providerStatusKey(image, key) === statusKey;
    });
    const user = {
      provider,
      statusKey,
      ...(build === undefined ? {} : { build }),
      ...(made === undefined ? {} : { made }),
    };
    const blind = (why: string): LayerUser => ({ ...user, seen: { kind: "blind", why } });
    const open = registry.get(provider);
    if (open === undefined) return blind(`Provider "${statusKey}" cannot be asked`);
    if (digest === undefined) return blind("Its parent is not known yet");
    try {
      const imported = await open.images.find(digest, { signal });
      if (imported !== undefined) return { ...user, seen: { kind: "present", imported } };
      const { path } = image.status?.digest === digest ? (image.status.providerStatus?.[statusKey] ?? {}) : {};
      const needing = path === undefined ? [] : ((await open.layers?.usersOf(path, { signal })) ?? []);
      // Another build has other bytes, which are nothing to what was written upon these.
      return path === undefined || needing.length === 0
        ? { ...user, seen: { kind: "absent" } }
        : { ...user, seen: { kind: "lost", path, needing } };
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return blind(`Provider "${statusKey}" cannot be asked: ${error.message}`);
    }
  }

  /** One that somebody asked for, else our own. */
  function buildOf(image: VMImage, statusKey: string, digest: string | undefined): ImageBuild | undefined {
    const { namespace, name } = requestOf(image);
    const asked = builds.list({ namespace }).find((build) => {
      if (imageOfBuild(build) !== name || !isPending(build)) return false;
      const key = users.providerOfBuild(build);
      return key !== undefined && providerStatusKey(image, key) === statusKey;
    });
    if (asked !== undefined || digest === undefined) return asked;
    return builds.get({ namespace, name: buildName(name, statusKey, digest) });
  }

  async function ensureBuild(
    image: VMImage,
    { provider, statusKey, build }: LayerUser,
    {
      digest,
      isParentThere,
      signal,
    }: { readonly digest: string; readonly isParentThere: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    const { namespace, name } = requestOf(image);
    if (build !== undefined) {
      // What it made is gone from the provider, or what it failed for is there again: it has to be made again.
      const isOver = build.status?.phase === "Succeeded" || (isParentThere && hasFailedForParent(build));
      if (isOver) await removeBuild(build, signal);
      return;
    }
    const { host } = provider;
    const owner = {
      apiVersion: `${VMImage.group}/${VMImage.version}`,
      kind: VMImage.kind,
      name,
      uid: image.metadata.uid ?? "",
    };
    const wanted: ImageBuild = {
      apiVersion: `${ImageBuild.group}/${ImageBuild.version}`,
      kind: ImageBuild.kind,
      metadata: { namespace, name: buildName(name, statusKey, digest), ownerReferences: [owner] },
      spec: {
        imageRef: { name },
        providerRef: { name: provider.name, namespace: provider.namespace },
        ...(host === undefined ? {} : { host }),
      },
    };
    try {
      await client.create(ImageBuild, wanted, { signal });
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
    }
  }

  async function removeBuild({ metadata }: ImageBuild, signal: AbortSignal): Promise<void> {
    const { namespace = "", name, uid } = metadata;
    try {
      await client.delete(ImageBuild, { namespace, name }, { signal, ...(uid === undefined ? {} : { uid }) });
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }

  return {
    related: [
      related(ImageBuild, (build) => {
        const name = imageOfBuild(build);
        return name === undefined ? [] : users.withAncestors({ namespace: build.metadata.namespace ?? "", name });
      }),
      related(VMImage, (image) => (imageNews.isNews(image) ? users.layersOn(image).map(requestOf) : [])),
    ],
    prepare,
  };
}

function hasFailedForParent({ status }: ImageBuild): boolean {
  return status?.phase === "Failed" && findCondition(status.conditions, "Complete")?.reason === "ParentGone";
}

/** The same for all who want this layer there, so that it is built once. */
function buildName(image: string, statusKey: string, digest: string): string {
  const hash = createHash("sha256").update(JSON.stringify([statusKey, digest]));
  return `${image}-${hash.digest("hex").slice(0, 8)}`;
}
