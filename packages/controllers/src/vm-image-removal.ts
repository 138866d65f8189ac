// The end of a VMImage: its base image leaves every provider, unless something still needs it there.

import { Provider, setCondition, VMImage } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import { removeFinalizer, writeStatus } from "@vivarium/runtime";
import type { Clock, Manager, ReconcileResult } from "@vivarium/runtime";
import { providerOfStatusKey } from "./image-on-provider.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import { observedGenerationOf } from "./verdict.ts";

export const vmImageFinalizer = "vmimage.infra.virtrigaud.io/finalizer";

const retryMs = 30_000;

interface Removal {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Obstacle {
  readonly reason: string;
  readonly message: string;
}

export async function removeImage(image: VMImage, removal: Removal): Promise<ReconcileResult> {
  const { manager, clock, signal } = removal;
  if (!(image.metadata.finalizers ?? []).includes(vmImageFinalizer)) return undefined;
  const obstacles: Obstacle[] = [];
  for (const key of Object.keys(image.status?.providerStatus ?? {})) {
    const obstacle = await removeFrom(key, image, removal);
    if (obstacle !== undefined) obstacles.push(obstacle);
  }
  const [first] = obstacles;
  if (first === undefined) {
    await removeFinalizer(manager.client, { type: VMImage, object: image, finalizer: vmImageFinalizer }, { signal });
    return undefined;
  }
  const message = `Cannot be deleted: ${obstacles.map((each) => each.message).join("; ")}; tried again every ${retryMs / 1000} s`;
  const now = new Date(clock.now());
  const condition = { type: "Ready", status: "False", reason: first.reason, message } as const;
  const status = {
    ...image.status,
    message,
    conditions: setCondition(image.status?.conditions, { ...condition, ...observedGenerationOf(image) }, { now }),
  };
  await writeStatus(manager.client, { type: VMImage, object: image, status }, { signal });
  manager.recorder.record(image, { type: "Warning", reason: first.reason, message: first.message });
  return { requeueAfterMs: retryMs };
}

/** What stands in the way; undefined when it is gone from there. */
async function removeFrom(key: string, image: VMImage, removal: Removal): Promise<Obstacle | undefined> {
  const { manager, registry, signal } = removal;
  const digest = image.status?.digest;
  const provider = providerOfStatusKey(image, key);
  // A provider that was deleted can be asked by nobody.
  if (digest === undefined || manager.cache(Provider).get(provider) === undefined) return undefined;
  if (isSharedOn(provider, digest, image, manager)) return undefined;
  const open = registry.get(provider);
  if (open === undefined) {
    return { reason: "ProviderNotReady", message: `Provider "${key}" cannot be asked to remove its copy` };
  }
  try {
    await open.images.remove(digest, { signal });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!isProviderError(error)) throw error;
    return { reason: error.code === "Conflict" ? "InUse" : `Remove${error.code}`, message: error.message };
  }
}

/**
 * Removes what the VMImage meant before its spec changed, where no disk backs onto it: that one copy stays, for there is nothing left that
 * would remember it.
 */
export async function removeOutdated(before: VMImage, removal: Removal): Promise<void> {
  for (const key of Object.keys(before.status?.providerStatus ?? {})) {
    const obstacle = await removeFrom(key, before, removal);
    if (obstacle === undefined) continue;
    const message = `The image of the former spec stays on ${key}: ${obstacle.message}`;
    removal.manager.recorder.record(before, { type: "Normal", reason: "FormerImageKept", message });
  }
}

/**
 * Removes the copies of an image that is prepared anew, where nothing uses them; tells why the others stay.
 */
export async function removeCopies(image: VMImage, digest: string, removal: Removal): Promise<void> {
  const before = { ...image, status: { ...image.status, digest } };
  for (const key of Object.keys(before.status.providerStatus ?? {})) {
    const obstacle = await removeFrom(key, before, removal);
    if (obstacle === undefined) continue;
    const message = `It was fetched anew and is the same; the copy on ${key} stays as it is: ${obstacle.message}`;
    removal.manager.recorder.record(image, { type: "Normal", reason: "ImageKept", message });
  }
}

/** Images are kept by content: another VMImage may mean the same bytes. */
function isSharedOn(provider: ProviderKey, digest: string, image: VMImage, manager: Manager): boolean {
  return manager
    .cache(VMImage)
    .list()
    .some((other) => {
      if (other.metadata.uid === image.metadata.uid || other.metadata.deletionTimestamp !== undefined) return false;
      if (other.status?.digest !== digest) return false;
      return Object.keys(other.status.providerStatus ?? {}).some((key) => {
        const there = providerOfStatusKey(other, key);
        return there.namespace === provider.namespace && there.name === provider.name && there.host === provider.host;
      });
    });
}
