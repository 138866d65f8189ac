// The Volume controller: makes, grows, watches and removes the volume of each Volume object.
//
//   StoragePools, sources, machines ─┐
//   hypervisor events ───────────────┼─► observe ─► decide (volume-plan.ts) ─► act one step ─┐
//   time ────────────────────────────┘      ▲                                                │
//                                           └───────────────── until Settle ◄────────────────┘

import {
  forceDeleteAnnotation,
  formatKey,
  findCondition,
  imageSourcesOf,
  poolPolicyOf,
  Provider,
  StoragePool,
  VirtualMachine,
  VMImage,
  Volume,
  volumeFinalizer,
} from "@vivarium/api";
import type { ImageCache } from "@vivarium/images";
import { ImageError } from "@vivarium/images";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider, VolumeRole, VolumeUser } from "@vivarium/provider";
import { ensureFinalizer, related, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type { Controller, ReconcileContext, ReconcileRequest, ReconcileResult } from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectNews } from "./object-news.ts";
import { orUnavailable } from "./or-unavailable.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { guardRefusal } from "./storage-guard.ts";
import type { StorageControllerOptions } from "./storage-pool.ts";
import { providerOfPlaced } from "./placed/placed-object.ts";
import { decideVolume } from "./volume-plan.ts";
import type { StorageResolved, VolumeInput, VolumeMaking, VolumeSituation, VolumeStep } from "./volume-plan.ts";
import { referredBy, refersTo, resolveMaking, resolvePlace, resolveSize, volumeRecordOf } from "./volume-resolve.ts";
import type { VolumeObjects, VolumePlace } from "./volume-resolve.ts";
import { volumeStatusOf } from "./volume-status.ts";
import { withDeadline } from "./deadline.ts";

const mostSteps = 20;
/** Copying and fetching take long; a host that hangs must not hold a volume for ever. */
const createDeadlineMs = 3_600_000;
const stepDeadlineMs = 120_000;

export function createVolumeController(
  options: StorageControllerOptions & { readonly imageCache: ImageCache },
): Controller {
  const { manager, providers, clock, imageCache } = options;
  const volumes = manager.cache(Volume);
  const pools = manager.cache(StoragePool);
  const images = manager.cache(VMImage);
  const machines = manager.cache(VirtualMachine);
  const machinesByUid = manager
    .cache(VirtualMachine)
    .index(({ metadata }) => (metadata.uid === undefined ? [] : [metadata.uid]));
  const providerObjects = manager.cache(Provider);
  const objects: VolumeObjects = {
    pool: (key) => pools.get(key),
    volume: (key) => volumes.get(key),
    image: (key) => images.get(key),
    providers: () => providerObjects.list(),
  };
  const poolNews = new ObjectNews<StoragePool>(({ spec, status }) => [
    spec,
    findCondition(status?.conditions, "Ready")?.status,
  ]);
  const cloneNews = new ObjectNews<Volume>(({ status }) => status?.record);
  /** Bytes promised to volumes that are being made or grown and that no pool counts yet, by uid of the Volume. */
  const promised = new Map<string, { readonly pool: string; readonly bytes: number }>();
  /** Failures in a row, by uid. */
  const failures = new Map<string, number>();

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const done = new Set<VolumeStep["kind"]>();
    for (let count = 0; count < mostSteps; count++) {
      const volume = volumes.get(request);
      if (volume === undefined) return undefined;
      const uid = volume.metadata.uid ?? "";
      const look = await observe(volume, { done, signal: context.signal });
      const step = decideVolume(look.input);
      if (step.kind === "Settle") {
        failures.delete(uid);
        return settle(volume, { ...step, input: look.input }, context);
      }
      try {
        await act(volume, step, { ...look, context });
      } catch (error) {
        if (!isProviderError(error)) throw error;
        return await stepFailed(volume, { error, step, input: look.input }, context);
      } finally {
        promised.delete(uid);
      }
      done.add(step.kind);
      if (step.kind === "RemoveFinalizer") return undefined;
    }
    throw new Error(`Cannot settle Volume "${request.namespace}/${request.name}": ${mostSteps} steps led nowhere`);
  }

  interface LookOptions {
    readonly done: ReadonlySet<VolumeStep["kind"]>;
    readonly signal: AbortSignal;
  }

  interface VolumeLook {
    readonly input: VolumeInput;
    readonly place: StorageResolved<VolumePlace>;
  }

  async function observe(volume: Volume, { done, signal }: LookOptions): Promise<VolumeLook> {
    const place = resolvePlace(volume, objects);
    const { stage } = volumeRecordOf(volume);
    const size = resolveSize(volume);
    const making = place.ok ? resolveMaking(volume, place.value, objects) : place;
    const seen = await see(place, signal);
    const wantedBytes = wantedOf(size.ok ? size.value : undefined, making);
    const refusal =
      place.ok && (seen.kind === "absent" || seen.kind === "present")
        ? await refusalOf(volume, place.value, { seen, wantedBytes, making, signal })
        : undefined;
    const input: VolumeInput = {
      nowMs: clock.now(),
      isDeleting: volume.metadata.deletionTimestamp !== undefined,
      hasFinalizer: volume.metadata.finalizers?.includes(volumeFinalizer) ?? false,
      isForcedDelete: volume.metadata.annotations?.[forceDeleteAnnotation] === "true",
      isProtected: volume.spec.deletionProtection ?? false,
      stage,
      place: place.ok ? { ok: true, value: place.value.ref } : place,
      making,
      ...(size.ok && size.value !== undefined ? { sizeBytes: size.value } : {}),
      ...(refusal === undefined ? {} : { refusal }),
      seen,
      referrers: machines
        .list()
        .filter((vm) => vm.metadata.deletionTimestamp === undefined && refersTo(vm, volume))
        .map((vm) => `VirtualMachine/${vm.metadata.name}`),
      users: seen.kind === "present" ? seen.users.map((user) => nameOfUser(user)) : [],
      done,
    };
    return { input, place };
  }

  async function see(place: StorageResolved<VolumePlace>, signal: AbortSignal): Promise<VolumeInput["seen"]> {
    if (!place.ok) return { kind: "unavailable", error: new ProviderError("Unavailable", place.problem.message) };
    const { provider, ref } = place.value;
    return orUnavailable(async () => roleOf(provider).observe(ref, { signal }));
  }

  /** The guard, with what is promised to others at this moment. Where the pool cannot be seen the step itself will say so. */
  async function refusalOf(
    volume: Volume,
    place: VolumePlace,
    wanted: {
      readonly seen: VolumeInput["seen"];
      readonly wantedBytes: number;
      readonly making: StorageResolved<VolumeMaking>;
      readonly signal: AbortSignal;
    },
  ): Promise<string | undefined> {
    const { seen, wantedBytes, making } = wanted;
    const hasBytes = seen.kind === "present" ? seen.capacityBytes : 0;
    if (wantedBytes <= hasBytes && seen.kind === "present") return undefined;
    const { adopt } = place.pool.spec;
    const { uid = "" } = place.pool.metadata;
    const name = place.ref.pool;
    const ref = adopt === undefined ? ({ kind: "made", uid, name } as const) : ({ kind: "adopted", name } as const);
    let space: Awaited<ReturnType<NonNullable<OpenProvider["pools"]>["observe"]>> | undefined;
    try {
      space = await providers.get(place.provider)?.pools?.observe(ref, { signal: wanted.signal });
    } catch (error) {
      if (!isProviderError(error)) throw error;
    }
    if (space?.kind !== "present" || !space.isActive) return undefined;
    const own = volume.metadata.uid ?? "";
    const poolKey = `${place.provider.namespace}/${place.provider.name}/${name}`;
    const others = [...promised].filter(([key, promise]) => key !== own && promise.pool === poolKey);
    const bytes = Math.max(0, wantedBytes - hasBytes);
    const allocateBytes =
      seen.kind === "absent" && making.ok && making.value.kind === "create" ? making.value.allocateBytes : 0;
    const refusal = guardRefusal(
      { ...space, provisionedBytes: space.provisionedBytes + others.reduce((sum, [, each]) => sum + each.bytes, 0) },
      poolPolicyOf(place.pool.spec),
      { provisionBytes: bytes, allocateBytes },
    );
    // From here to the end of the step nobody else may count on the same bytes.
    if (refusal === undefined) promised.set(own, { pool: poolKey, bytes });
    return refusal;
  }

  function roleOf(key: ProviderKey): VolumeRole {
    const name = `${key.namespace}/${key.name}`;
    const open = providers.get(key);
    if (open === undefined) throw new ProviderError("Unavailable", `Provider "${name}" is not connected`);
    if (open.volumes === undefined) throw new ProviderError("Unsupported", `Provider "${name}" has no volumes`);
    return open.volumes;
  }

  async function act(
    volume: Volume,
    step: Exclude<VolumeStep, { kind: "Settle" }>,
    { input, place, context }: VolumeLook & { readonly context: ReconcileContext },
  ): Promise<void> {
    const { signal, log } = context;
    const finalized = { type: Volume, object: volume, finalizer: volumeFinalizer };
    const logged = { step: step.kind, volume: formatKey(requestOf(volume)) };
    const onHost = <T>(
      run: (role: VolumeRole, options: { readonly signal: AbortSignal }) => Promise<T>,
    ): Promise<T> => {
      if (!place.ok) throw new ProviderError("Unavailable", place.problem.message);
      const role = roleOf(place.value.provider);
      const deadlineMs = step.kind === "Create" ? createDeadlineMs : stepDeadlineMs;
      const what = `${step.kind} of Volume "${volume.metadata.name}"`;
      return withDeadline((inner) => run(role, { signal: inner }), { clock, what, deadlineMs, signal });
    };
    log.info({ ...logged, phase: "start" }, "step");
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(manager.client, finalized, { signal });
        break;
      case "RecordCreating": {
        const status = {
          ...volumeStatusOf(volume, { situation: { kind: "Working", step: step.kind }, input, now: now() }),
          pool: step.volume.pool,
          volume: step.volume.name,
          record: { stage: "creating" },
        };
        await writeStatus(manager.client, { type: Volume, object: volume, status }, { signal });
        break;
      }
      case "Discard":
        await onHost((role, options) => role.remove(step.volume, options));
        break;
      case "Create":
        await onHost((role, options) => create(role, step, options));
        break;
      case "RecordCreated": {
        const ref = input.place.ok ? { pool: input.place.value.pool, volume: input.place.value.name } : {};
        const status = { ...volume.status, ...ref, record: { stage: "created" } };
        await writeStatus(manager.client, { type: Volume, object: volume, status }, { signal });
        tell(volume, "Normal", "Created", "The volume is made");
        break;
      }
      case "Grow":
        await onHost((role, options) => role.grow(step.volume, step.sizeBytes, options));
        tell(volume, "Normal", "Grown", `The volume has ${step.sizeBytes} bytes`);
        break;
      case "Remove":
        await onHost((role, options) => role.remove(step.volume, options));
        break;
      case "RemoveFinalizer":
        failures.delete(volume.metadata.uid ?? "");
        await removeFinalizer(manager.client, finalized, { signal });
    }
    log.info({ ...logged, phase: "done" }, "step");
  }

  async function create(
    role: VolumeRole,
    { volume, making }: Extract<VolumeStep, { kind: "Create" }>,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    if (making.kind === "create") return role.create(volume, making.creation, options);
    const { url, checksum, format } = making;
    try {
      const [source] = imageSourcesOf({ source: { http: { url, ...(checksum === undefined ? {} : { checksum }) } } });
      if (source === undefined) throw new ProviderError("InvalidSpec", `spec.source.url "${url}" cannot be used`);
      const file = await imageCache.ensure(source, { signal: options.signal });
      if (file.format !== format) {
        const message = `spec.source.url gives a file of format "${file.format}", spec.format is "${format}"`;
        throw new ProviderError("InvalidSpec", message);
      }
      return await role.upload(volume, file, options);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      throw new ProviderError(error.retryable ? "Unavailable" : "InvalidSpec", error.message, { cause: error });
    }
  }

  async function stepFailed(
    volume: Volume,
    failed: { readonly error: ProviderError; readonly step: VolumeStep; readonly input: VolumeInput },
    context: ReconcileContext,
  ): Promise<ReconcileResult> {
    const { error, step, input } = failed;
    context.log.warn(
      { step: step.kind, volume: formatKey(requestOf(volume)), phase: "failed", err: error },
      "step failed",
    );
    const uid = volume.metadata.uid ?? "";
    const count = (failures.get(uid) ?? 0) + 1;
    failures.set(uid, count);
    const waitMs = error.retryable || error.code === "Conflict" ? Math.min(1_000 * 2 ** (count - 1), 60_000) : 300_000;
    const problem = { reason: reasonOf(error), message: error.message };
    const isWaiting = error.retryable || error.code === "Conflict";
    const situation: VolumeSituation = isWaiting ? { kind: "Waiting", problem } : { kind: "Failed", problem };
    return settle(volume, { situation, input, lookAgainAtMs: clock.now() + waitMs }, context);
  }

  async function settle(
    volume: Volume,
    outcome: { readonly situation: VolumeSituation; readonly lookAgainAtMs?: number; readonly input: VolumeInput },
    { signal }: ReconcileContext,
  ): Promise<ReconcileResult> {
    const { situation, lookAgainAtMs, input } = outcome;
    promised.delete(volume.metadata.uid ?? "");
    if (situation.kind === "Gone") return undefined;
    const latest = volumes.get({ namespace: volume.metadata.namespace ?? "", name: volume.metadata.name }) ?? volume;
    const status = volumeStatusOf(latest, { situation, input, now: now() });
    await writeStatus(manager.client, { type: Volume, object: latest, status }, { signal });
    for (const type of ["Ready", "Resized"] as const) {
      const is = findCondition(status.conditions, type);
      const was = findCondition(latest.status?.conditions, type);
      if (is?.status !== "False" || is.reason === was?.reason) continue;
      tell(volume, "Warning", is.reason, is.message);
    }
    return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
  }

  function now(): Date {
    return new Date(clock.now());
  }

  function tell(volume: Volume, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(volume, { type, reason, message });
  }

  /** By the name of the object where there is one. */
  function nameOfUser(user: VolumeUser): string {
    if (user.kind === "vm") {
      const vm = machinesByUid.of(user.uid)[0];
      return vm === undefined ? `domain/${user.name}` : `VirtualMachine/${vm.metadata.name}`;
    }
    const clone = volumes.list().find(({ status }) => status?.pool === user.pool && status.volume === user.name);
    return clone === undefined ? `${user.pool}/${user.name}` : `Volume/${clone.metadata.name}`;
  }

  function volumesOn(key: ProviderKey): readonly Volume[] {
    return volumes.list().filter((volume) => {
      const pool = pools.get(referredBy(volume, volume.spec.poolRef));
      const found = pool && providerOfPlaced(pool, providerObjects.list());
      return found?.namespace === key.namespace && found.name === key.name;
    });
  }

  return {
    name: "volume",
    for: Volume,
    related: [
      related(StoragePool, (pool) =>
        poolNews.isNews(pool)
          ? volumes
              .list()
              .filter((volume) => isSame(pool, referredBy(volume, volume.spec.poolRef)))
              .map(requestOf)
          : [],
      ),
      related(VMImage, (image) =>
        volumes
          .list()
          .filter(({ status }) => status?.phase !== "Ready")
          .filter(({ spec, ...volume }) => {
            const ref = spec.source?.imageRef;
            return ref !== undefined && isSame(image, referredBy({ ...volume, spec }, ref));
          })
          .map(requestOf),
      ),
      // What backs onto a source uses it.
      related(Volume, (clone) => {
        const ref = clone.spec.source?.volumeRef;
        return ref !== undefined && cloneNews.isNews(clone) ? [referredBy(clone, ref)] : [];
      }),
      related(Volume, (source) =>
        volumes
          .list()
          .filter((volume) => {
            const ref = volume.spec.source?.volumeRef;
            const isWaiting = volume.status?.phase !== "Ready" || source.metadata.deletionTimestamp !== undefined;
            return isWaiting && ref !== undefined && isSame(source, referredBy(volume, ref));
          })
          .map(requestOf),
      ),
      related(VirtualMachine, (vm) =>
        volumes
          .list()
          .filter((volume) => refersTo(vm, volume) || isUser(vm, volume))
          .map(requestOf),
      ),
    ],
    sources: [
      (enqueue, { signal }) =>
        providers.subscribe(
          ({ provider, event }) => {
            if (event.kind === "vm") {
              const vm = machinesByUid.of(event.uid)[0];
              if (vm === undefined) return;
              for (const volume of volumes.list()) {
                if (refersTo(vm, volume) || isUser(vm, volume)) enqueue(requestOf(volume));
              }
              return;
            }
            if (event.kind === "network") return;
            for (const volume of volumesOn(provider)) {
              if (event.kind !== "pool" || event.pool === volume.status?.pool) enqueue(requestOf(volume));
            }
          },
          { signal },
        ),
    ],
    concurrency: 16,
    reconcile,
  };
}

/** What the volume is to have, as far as that can be told before it is made. */
function wantedOf(sizeBytes: number | undefined, making: StorageResolved<VolumeMaking>): number {
  if (sizeBytes !== undefined) return sizeBytes;
  return making.ok && making.value.kind === "create" ? making.value.creation.sizeBytes : 0;
}

function isUser(vm: VirtualMachine, volume: Volume): boolean {
  return volume.status?.usedBy?.includes(`VirtualMachine/${vm.metadata.name}`) ?? false;
}

function isSame(
  object: { readonly metadata: { readonly name: string; readonly namespace?: string } },
  key: { readonly namespace: string; readonly name: string },
): boolean {
  return object.metadata.name === key.name && object.metadata.namespace === key.namespace;
}

function reasonOf(error: ProviderError): string {
  return error.code === "NoSpace" ? "PoolFull" : error.code === "Conflict" ? "InUse" : error.code;
}
