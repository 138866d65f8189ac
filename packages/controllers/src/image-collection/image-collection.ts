// The image collection controller: finds the images on a Provider's hosts that no VMImage means any more (its spec or its source changed
// while disks still backed onto them, its VMImage was deleted while the host was away), says which they are, and removes those that
// nothing backs onto, when that is asked for.

import { formatQuantity, formatTime, InvalidValueError, parseQuantity, Provider, VMImage } from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { withDeadline } from "../deadline.ts";
import { humanSize } from "../human-size.ts";
import { hostsOf } from "../provider-config.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { collectionRequestOf, leastUnusedMs, planCollection, unusedMsOf } from "./plan.ts";
import type { CollectedImage, Collection, FoundImage } from "./plan.ts";

export interface ImageCollectionControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

const retryMs = 10_000;
const deadlineMs = 60_000;
const mostListed = 500;

export function createImageCollectionController(options: ImageCollectionControllerOptions): Controller {
  const { manager, providers, clock } = options;
  const objects = manager.cache(Provider);
  const images = manager.cache(VMImage);

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const provider = objects.get(request);
    if (provider === undefined || provider.metadata.deletionTimestamp !== undefined) return undefined;
    const wanted = collectionRequestOf(provider);
    const last = provider.status?.imageCollection;
    const isNew = wanted.kind !== "none" && wanted.id !== last?.request;
    if (isNew && wanted.kind === "invalid") {
      await report(provider, { ...last, request: wanted.id, message: wanted.message }, context);
    } else if (isNew && wanted.kind === "wanted") {
      return collect(provider, { mode: wanted.mode, request: wanted.id }, context);
    }
    return collectAged(provider, context);
  }

  async function collectAged(provider: Provider, context: ReconcileContext): Promise<ReconcileResult> {
    const last = provider.status?.imageCollection;
    try {
      if (unusedMsOf(provider) === undefined) return undefined;
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      await report(provider, { ...last, message: `spec.imageCollection.unusedFor: ${error.message}` }, context);
      return undefined;
    }
    const nextMs = Date.parse(last?.lastTime ?? "") + leastUnusedMs;
    if (nextMs > clock.now()) return { requeueAfterMs: nextMs - clock.now() };
    return collect(provider, { mode: "Aged", request: last?.request }, context);
  }

  async function collect(
    provider: Provider,
    { mode, request }: { readonly mode: "Collect" | "DryRun" | "Aged"; readonly request: string | undefined },
    context: ReconcileContext,
  ): Promise<ReconcileResult> {
    let found: readonly FoundImage[];
    try {
      found = (await Promise.all(hostsOf(provider).map(({ name }) => imagesOn(provider, name, context)))).flat();
    } catch (error) {
      if (!isProviderError(error)) throw error;
      const message = `Cannot look for images: ${error.message}; tried again every ${retryMs / 1000} s`;
      await report(provider, { ...provider.status?.imageCollection, message }, context);
      return { requeueAfterMs: retryMs };
    }
    const plan = planCollection(provider, { found, images: images.list(), nowMs: clock.now(), mode });
    const outcomes = new Map<string, Partial<CollectedImage>>();
    for (const { host, id } of plan.removals)
      outcomes.set(`${host} ${id}`, await discard(provider, { host, id }, context));
    const [onlyHost = ""] = hostsOf(provider).map(({ name }) => name);
    const listed = plan.images.map((each) => ({ ...each, ...outcomes.get(`${each.host ?? onlyHost} ${each.id}`) }));
    // What went by itself was told as an Event; the list is of what is there.
    const kept = mode === "Aged" ? listed.filter(({ verdict }) => verdict !== "Removed") : listed;
    const message = summaryOf(listed, mode);
    const isQuiet = mode === "Aged" && plan.removals.length === 0;
    await report(
      provider,
      {
        ...(request === undefined ? {} : { request }),
        ...(mode === "Aged" ? {} : { mode }),
        lastTime: formatTime(new Date(clock.now())),
        message,
        unusedSize: formatQuantity(sizeOf(listed, "Unused")),
        images: kept.slice(0, mostListed),
      },
      context,
    );
    if (!isQuiet) manager.recorder.record(provider, { type: "Normal", reason: reasonOf(mode), message });
    return isAgeing(provider) ? { requeueAfterMs: leastUnusedMs } : undefined;
  }

  async function imagesOn(
    provider: Provider,
    host: string,
    { signal }: ReconcileContext,
  ): Promise<readonly FoundImage[]> {
    const found = await withDeadline((deadline) => opened(provider, host).images.list({ signal: deadline }), {
      clock,
      what: `list the images of host "${host}"`,
      deadlineMs,
      signal,
    });
    return found.map((image) => ({ host, image }));
  }

  async function discard(
    provider: Provider,
    { host, id }: { readonly host: string; readonly id: string },
    { signal }: ReconcileContext,
  ): Promise<Partial<CollectedImage>> {
    try {
      await opened(provider, host).images.discard(id, { signal });
      return { verdict: "Removed" };
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return { verdict: "Kept", reason: error.message };
    }
  }

  function opened(provider: Provider, host: string) {
    const open = providers.get({ ...keyOf(provider), host });
    if (open === undefined) throw new ProviderError("Unavailable", `Host "${host}" is not connected`);
    return open;
  }

  async function report(provider: Provider, imageCollection: Collection, { signal }: ReconcileContext): Promise<void> {
    const status = { ...provider.status, imageCollection };
    await writeStatus(manager.client, { type: Provider, object: provider, status }, { signal });
  }

  return {
    name: "image-collection",
    for: Provider,
    sources: [
      (enqueue, { signal }) =>
        providers.subscribe(
          ({ provider: { namespace, name }, event }) => {
            if (event.kind === "connected") enqueue({ namespace, name });
          },
          { signal },
        ),
    ],
    reconcile,
  };
}

function isAgeing({ spec }: Provider): boolean {
  return spec.imageCollection !== undefined;
}

function reasonOf(mode: "Collect" | "DryRun" | "Aged"): string {
  return mode === "DryRun" ? "ImageCollectionDryRun" : "ImageCollection";
}

function summaryOf(images: readonly CollectedImage[], mode: "Collect" | "DryRun" | "Aged"): string {
  const part = (verdict: CollectedImage["verdict"], words: string): string => {
    const count = images.filter((each) => each.verdict === verdict).length;
    return count === 0 ? "" : `${count} ${words} (${humanSize(sizeOf(images, verdict))})`;
  };
  const parts = [
    part("Removed", "removed"),
    part("Unused", mode === "DryRun" ? "would be removed" : "unused"),
    part("InUse", "still in use"),
    part("Kept", "could not be removed"),
  ].filter((text) => text !== "");
  return parts.length === 0
    ? "Every image there is one that a VMImage means"
    : `Of images that no VMImage means: ${parts.join(", ")}`;
}

function sizeOf(images: readonly CollectedImage[], verdict: CollectedImage["verdict"]): number {
  return images.filter((each) => each.verdict === verdict).reduce((sum, each) => sum + parseQuantity(each.size), 0);
}

function keyOf(provider: Provider): { readonly namespace: string; readonly name: string } {
  return { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
}
