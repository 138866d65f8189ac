// The VMImage controller: brings an image to each provider on which a VirtualMachine uses it, and takes it away with the VMImage.
//
//   VirtualMachines ─┐                        ┌─► fetch into the cache   (background)
//   Providers ───────┼─► observe ─► decide ───┼─► import to a provider   (background)
//   progress, ends ──┘                        ├─► ask the source for a newer one   (background)
//                                             └─► rest: report

import { Provider, Secret, VirtualMachine, VMImage, Volume } from "@vivarium/api";
import type { DeclaredImageSource, VMImageStatus } from "@vivarium/api";
import type { CachedImage, ImageCache, ImageProgress } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { ImportedImage } from "@vivarium/provider";
import { ensureFinalizer, related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { BackgroundTasks } from "./background-tasks.ts";
import { fetchableSource, secretsOfSource } from "./image-credentials.ts";
import { createLayerImages } from "./image-build/layer-image.ts";
import { imageOnProvider, providerStatusKey } from "./image-on-provider.ts";
import { imageOfMachine, imageOfVolume, ImageUsers } from "./image-users.ts";
import { ImageValidations } from "./image-validation/image-validations.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import { Turns } from "./turns.ts";
import { decideImage, PrepareTimeout, refreshedSource } from "./vm-image-plan.ts";
import type { FetchState, ImageObservation, ImageStep, ImageUser } from "./vm-image-plan.ts";
import { removeCopies, removeImage, removeOutdated, vmImageFinalizer } from "./vm-image-removal.ts";
import { candidateDigests, describeSource, imageWorkOf, isToBeRenewed, recordedDigest } from "./vm-image-source.ts";
import type { ImageWork } from "./vm-image-source.ts";
import { imageStatus } from "./vm-image-status.ts";

export interface VmImageControllerOptions {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly imageCache: ImageCache;
  readonly clock: Clock;
}

/** What was seen on a provider is believed this long: each change of a VM that uses the image is a reason to look. */
const believeMs = 30_000;

export function createVmImageController(options: VmImageControllerOptions): Controller {
  const { manager, registry, imageCache, clock } = options;
  const images = manager.cache(VMImage);
  const secrets = manager.cache(Secret);
  const imageUsers = new ImageUsers(manager);
  const seen = new Map<string, { readonly imported: ImportedImage; readonly atMs: number }>();
  /** Two VMImages may mean the same bytes: they are sent to a provider one after the other, the second finding them there. */
  const turns = new Turns();
  /** By uid: the VMImage as it was when it last meant other bytes. */
  const outdated = new Map<string, VMImage>();
  /** By uid: when the source was last asked for a newer image. */
  const refreshedMs = new Map<string, number>();
  /** By uid of a VM: the image that it was told is gone. */
  const toldOfGone = new Map<string, string>();
  let enqueue: (request: ReconcileRequest) => void = () => {};
  const validations = new ImageValidations({
    manager,
    registry,
    clock,
    users: imageUsers,
    enqueue: (request) => enqueue(request),
    onMissing: ({ status }) => forgetSeen(status?.digest),
  });
  const layers = createLayerImages({ manager, registry, users: imageUsers, clock, validations });
  const fetches = new BackgroundTasks<CachedImage, ImageProgress>({
    clock,
    onChange: (key) => enqueue(requestOfTask(key)),
  });
  const refreshes = new BackgroundTasks<{ readonly hasChanged: boolean }, never>({
    clock,
    onChange: (key) => enqueue(requestOfTask(key)),
  });
  const imports = new BackgroundTasks<ImportedImage, { readonly sentBytes: number }>({
    clock,
    onChange: (key) => enqueue(requestOfTask(key)),
  });

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const image = images.get(request);
    if (image === undefined || image.metadata.deletionTimestamp !== undefined) {
      await Promise.all([stopTasks(request, []), validations.stop(request)]);
      outdated.delete(image?.metadata.uid ?? "");
      refreshedMs.delete(image?.metadata.uid ?? "");
      if (image === undefined) {
        warnOfGone(request);
        return undefined;
      }
      const result = await removeImage(image, { manager, registry, clock, signal: context.signal });
      forgetSeen(image.status?.digest);
      return result;
    }
    await validations.advance(image);
    return image.spec.source?.layer === undefined ? prepare(image, context) : layers.prepare(image, context);
  }

  /** Their disks stay, and nobody can make them anew. Each machine is told once. */
  function warnOfGone(request: ReconcileRequest): void {
    for (const vm of manager.cache(VirtualMachine).list()) {
      const wanted = imageOfMachine(vm);
      const isMine = wanted?.name === request.name && wanted.namespace === request.namespace;
      const uid = vm.metadata.uid ?? "";
      // One that is not made yet says so in its own status.
      if (!isMine || vm.status?.domain === undefined || vm.metadata.deletionTimestamp !== undefined) continue;
      if (toldOfGone.get(uid) === request.name) continue;
      toldOfGone.set(uid, request.name);
      const message = `VMImage "${request.name}" is gone: the machine keeps its disk, and cannot be made anew from it`;
      manager.recorder.record(vm, { type: "Warning", reason: "ImageGone", message });
    }
  }

  async function prepare(image: VMImage, context: ReconcileContext): Promise<ReconcileResult> {
    const { signal } = context;
    for (;;) {
      const observation = await observe(image, signal);
      const step = decideImage(observation);
      switch (step.kind) {
        case "fetch":
          startFetch(image, step, observation);
          break;
        case "import": {
          // Recorded before anything is sent: a deletion after a crash must know what to look for.
          const held = await ensureFinalizer(
            manager.client,
            { type: VMImage, object: image, finalizer: vmImageFinalizer },
            { signal },
          );
          await report(held, observation, signal);
          startImport(image, step, observation);
          // The image has changed: the write asks for the next look only where its spec did.
          return { requeueAfterMs: 0 };
        }
        case "refresh":
          startRefresh(image, step, observation);
          break;
        case "rest":
          await report(image, observation, signal);
          return step.nextMs === undefined ? undefined : { requeueAfterMs: Math.max(0, step.nextMs - clock.now()) };
      }
    }
  }

  async function observe(image: VMImage, signal: AbortSignal): Promise<ImageObservation> {
    const work = imageWorkOf(image);
    const request = requestOf(image);
    if (work.kind === "problem") {
      await stopTasks(request, []);
      return { nowMs: clock.now(), work, users: [], fetches: [] };
    }
    const keys = imageUsers.of(image);
    // Work that nobody wants any more, because of another spec or because its VMs are gone, is aborted.
    await stopTasks(request, keys.length === 0 ? [] : work.sources.map((source) => fetchKey(image, source)));
    const states = work.sources.map((source): FetchState => fetches.state(fetchKey(image, source)));
    const cached = states.flatMap((state) => (state.kind === "done" ? [state.result.digest] : []))[0];
    const digests = cached === undefined ? candidateDigests(image, work) : [cached];
    const users = await Promise.all(keys.map((key) => look(image, { key, digests, signal })));
    return { nowMs: clock.now(), work, users, fetches: states, ...refreshOf(image, work) };
  }

  function refreshOf(image: VMImage, work: ImageWork): Pick<ImageObservation, "refresh"> {
    const source = refreshedSource(work);
    if (source === undefined) return {};
    const { lastRefreshTime, lastPrepareTime } = image.status ?? {};
    const known = refreshedMs.get(image.metadata.uid ?? "") ?? Date.parse(lastRefreshTime ?? lastPrepareTime ?? "");
    const lastMs = Number.isNaN(known) ? clock.now() : known;
    return { refresh: { state: refreshes.state(fetchKey(image, source)), lastMs } };
  }

  /** A VM that comes, changes or goes where the image was seen a moment ago is no reason for another look. */
  function isSettledFor(vm: VirtualMachine, request: ReconcileRequest): boolean {
    const image = images.get(request);
    const key = imageUsers.providerOfMachine(vm);
    const { digest, ready } = image?.status ?? {};
    if (image === undefined || key === undefined || digest === undefined || ready !== true) return false;
    const believed = seen.get(seenKey(key, digest));
    return imageOnProvider(image, key).kind === "available" && isFresh(believed);
  }

  function isFresh(believed: { readonly atMs: number } | undefined): boolean {
    return believed !== undefined && clock.now() - believed.atMs < believeMs;
  }

  async function look(
    image: VMImage,
    {
      key,
      digests,
      signal,
    }: { readonly key: ProviderKey; readonly digests: readonly string[]; readonly signal: AbortSignal },
  ): Promise<ImageUser> {
    const user = { provider: key, statusKey: providerStatusKey(image, key) };
    const importing = imports.state(importKey(image, key));
    const open = registry.get(key);
    if (open === undefined) return { ...user, importing, seen: { kind: "not-open" } };
    try {
      for (const digest of digests) {
        const believed = seen.get(seenKey(key, digest));
        const imported =
          believed !== undefined && isFresh(believed) ? believed.imported : await open.images.find(digest, { signal });
        if (imported === undefined) {
          seen.delete(seenKey(key, digest));
          continue;
        }
        if (!isFresh(believed)) seen.set(seenKey(key, digest), { imported, atMs: clock.now() });
        return { ...user, importing, seen: { kind: "present", imported } };
      }
      return { ...user, importing, seen: { kind: "absent" } };
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return { ...user, importing, seen: { kind: "unavailable", error } };
    }
  }

  function secretsOf({ metadata: { namespace = "" } }: VMImage): (name: string) => Secret | undefined {
    return (name) => secrets.get({ namespace, name });
  }

  /**
   * In JSON, since sources hold any character: namespace, name and what the task is about. Another version of a Secret that a source names is
   * another try, and so is another generation of a spec that asks for it.
   */
  function fetchKey(image: VMImage, source: DeclaredImageSource): string {
    const { uid, generation } = image.metadata;
    const secretOf = secretsOf(image);
    const versions = secretsOfSource(source).map((name) => secretOf(name)?.metadata.resourceVersion ?? null);
    const forced = image.spec.prepare?.force === true ? generation : null;
    return JSON.stringify([requestOf(image).namespace, image.metadata.name, uid, source, forced, versions]);
  }

  function startFetch(image: VMImage, step: ImageStep & { kind: "fetch" }, { work }: ImageObservation): void {
    const { source, fallback } = step;
    if (fallback !== undefined) {
      const reason = source.kind === "debootstrap" ? "FallbackToLocalBuild" : "FallbackToNextSource";
      const message = `${describeSource(fallback.from)} does not answer (${fallback.cause}): using ${describeSource(source)}`;
      manager.recorder.record(image, { type: "Warning", reason, message });
    }
    const own = source.kind === "url" ? source.timeoutMs : undefined;
    const timeouts = timeoutOf(work, `get ${describeSource(source)}`, own);
    const force = work.kind === "work" && isToBeRenewed(image, work);
    fetches.start(
      fetchKey(image, source),
      async ({ signal, report: onProgress }) => {
        const fetchable = fetchableSource(source, secretsOf(image));
        const fetched = await imageCache.ensure(fetchable, { signal, onProgress, force });
        if (!force) return fetched;
        // What is not there any more is sent, as anywhere else.
        await removeCopies(image, fetched.digest, { manager, registry, clock, signal });
        forgetSeen(fetched.digest);
        return fetched;
      },
      timeouts,
    );
  }

  /** The image stays what it is until another one is in the cache; then that is sent to where the image is used. */
  function startRefresh(image: VMImage, { source }: ImageStep & { kind: "refresh" }, { work }: ImageObservation): void {
    const key = fetchKey(image, source);
    const timeouts = timeoutOf(work, `ask ${describeSource(source)} for a newer image`);
    refreshes.start(
      key,
      async ({ signal }) => {
        const fetchable = fetchableSource(source, secretsOf(image));
        const fresh = await imageCache.ensure(fetchable, { signal, refresh: true });
        refreshedMs.set(image.metadata.uid ?? "", clock.now());
        const hasChanged = fresh.digest !== recordedDigest(image);
        if (hasChanged) {
          await fetches.stop(key);
          fetches.start(key, () => Promise.resolve(fresh), timeouts);
        }
        return { hasChanged };
      },
      timeouts,
    );
  }

  function startImport(image: VMImage, step: ImageStep & { kind: "import" }, { work }: ImageObservation): void {
    const { user, image: file } = step;
    const open = registry.get(user.provider);
    if (open === undefined) return;
    imports.start(
      importKey(image, user.provider),
      async ({ signal, report: onProgress }) => {
        try {
          const onSent = (sentBytes: number): void => onProgress({ sentBytes });
          const imported = await turns.run(seenKey(user.provider, file.digest), () => {
            signal.throwIfAborted();
            return open.images.import(file, { signal, onProgress: onSent });
          });
          seen.set(seenKey(user.provider, file.digest), { imported, atMs: clock.now() });
          return imported;
        } catch (error) {
          // The file may have gone from the cache: it is asked for again before the next try.
          for (const key of fetches.keys()) if (isTaskOf(key, requestOf(image))) await fetches.stop(key);
          throw error;
        }
      },
      timeoutOf(work, `send the image to ${user.statusKey}`),
    );
  }

  async function stopTasks(request: ReconcileRequest, wantedFetches: readonly string[]): Promise<void> {
    const isUnwanted = (key: string): boolean => isTaskOf(key, request) && !wantedFetches.includes(key);
    const stopUnwanted = [fetches, refreshes].flatMap((tasks) =>
      tasks
        .keys()
        .filter(isUnwanted)
        .map((key) => tasks.stop(key)),
    );
    await Promise.all(stopUnwanted);
    if (wantedFetches.length > 0) return;
    const own = imports.keys().filter((key) => isTaskOf(key, request));
    await Promise.all(own.map((key) => imports.stop(key)));
  }

  async function report(image: VMImage, observation: ImageObservation, signal: AbortSignal): Promise<void> {
    const status = validations.fold(image, imageStatus(image, observation));
    const uid = image.metadata.uid ?? "";
    const oldDigest = image.status?.digest;
    if (oldDigest !== undefined && oldDigest !== status.digest && !outdated.has(uid)) outdated.set(uid, image);
    await writeStatus(manager.client, { type: VMImage, object: image, status }, { signal });
    tellChange(image, status);
    validations.settle(image, status);
    const before = outdated.get(uid);
    if (status.ready !== true || before === undefined) return;
    outdated.delete(uid);
    if (before.status?.digest === status.digest) return;
    await removeOutdated(before, { manager, registry, clock, signal });
    forgetSeen(before.status?.digest);
  }

  /** What was removed is not believed to be there: a VMImage of the same bytes may be made at once. */
  function forgetSeen(digest: string | undefined): void {
    for (const key of seen.keys()) if (key.endsWith(` ${digest ?? ""}`)) seen.delete(key);
  }

  function tellChange(image: VMImage, status: VMImageStatus): void {
    const readyOf = (from: VMImageStatus | undefined) => from?.conditions?.find((each) => each.type === "Ready");
    const ready = readyOf(status);
    const old = readyOf(image.status);
    if (ready === undefined || (ready.reason === old?.reason && ready.status === old.status)) return;
    const isQuiet = ready.reason === "NotUsed" || ready.reason === "Pending";
    if (isQuiet) return;
    const isFine = ready.status === "True" || status.importProgress !== undefined;
    manager.recorder.record(image, {
      type: isFine ? "Normal" : "Warning",
      reason: ready.reason,
      message: ready.message,
    });
  }

  function withAncestors(request: ReconcileRequest | undefined): readonly ReconcileRequest[] {
    return request === undefined ? [] : imageUsers.withAncestors(request);
  }

  return {
    name: "vm-image",
    for: VMImage,
    related: [
      related(VirtualMachine, (vm) => {
        const request = imageOfMachine(vm);
        return request !== undefined && isSettledFor(vm, request) ? [] : withAncestors(request);
      }),
      related(Volume, (volume) => withAncestors(imageOfVolume(volume))),
      related(Secret, (secret) =>
        images
          .list({ namespace: secret.metadata.namespace ?? "" })
          .filter((image) => namesSecret(image, secret))
          .map(requestOf),
      ),
      ...layers.related,
      // A provider that came, went, or got another health concerns every image: there are few of both.
      related(Provider, () => images.list().map(requestOf)),
    ],
    sources: [
      (add, { signal }) => {
        enqueue = add;
        const onEvent: Parameters<ProviderRegistry["subscribe"]>[0] = ({ provider, event }) => {
          if (event.kind === "vm" || event.kind === "pool" || event.kind === "network") return;
          seen.clear();
          // What failed while it was away is tried again at once.
          if (event.kind === "connected") {
            for (const key of imports.keys()) {
              if (isImportTo(key, provider) && imports.state(key).kind === "failed") void imports.stop(key);
            }
          }
          for (const image of images.list()) add(requestOf(image));
        };
        registry.subscribe(onEvent, { signal });
        signal.addEventListener(
          "abort",
          () => void Promise.all([fetches.stopAll(), refreshes.stopAll(), imports.stopAll(), validations.stopAll()]),
          {
            once: true,
          },
        );
      },
    ],
    reconcile,
  };
}

function namesSecret({ spec }: VMImage, { metadata }: Secret): boolean {
  const { basicAuth, bearer, headers, clientCert } = spec.source?.http?.authentication ?? {};
  return [basicAuth, bearer, headers, clientCert].some((each) => each?.secretRef.name === metadata.name);
}

/** `ownMs`: the source's. */
function timeoutOf(work: ImageWork | { readonly kind: "problem" }, action: string, ownMs?: number) {
  const timeoutMs = ownMs ?? (work.kind === "problem" ? 0 : work.timeoutMs);
  const field = ownMs === undefined ? "spec.prepare.timeout" : "spec.source.http.timeout";
  const message = `Cannot ${action} within ${timeoutMs / 1000} s (${field})`;
  return { timeoutMs, timeoutError: new PrepareTimeout(message) };
}

function importKey(image: VMImage, provider: ProviderKey): string {
  const { namespace, name, host } = provider;
  return JSON.stringify([requestOf(image).namespace, image.metadata.name, image.metadata.uid, namespace, name, host]);
}

function isImportTo(key: string, provider: ProviderKey): boolean {
  const [, , , namespace, name, host] = JSON.parse(key) as (string | null)[];
  const isHost = host === null || host === undefined || host === provider.host;
  return namespace === provider.namespace && name === provider.name && isHost;
}

function requestOfTask(key: string): ReconcileRequest {
  const [namespace = "", name = ""] = JSON.parse(key) as string[];
  return { namespace, name };
}

function isTaskOf(key: string, request: ReconcileRequest): boolean {
  const { namespace, name } = requestOfTask(key);
  return namespace === request.namespace && name === request.name;
}

function seenKey(provider: ProviderKey, digest: string): string {
  return `${provider.namespace}/${provider.name}/${provider.host ?? ""} ${digest}`;
}
