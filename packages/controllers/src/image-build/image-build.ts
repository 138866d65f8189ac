// The ImageBuild controller: builds layers, at most so many at once, each in a machine of its own.
//
//   images, machines, other builds ─┐
//   the guest's log ────────────────┼─► observe ─► decide (image-build-plan.ts) ─► act one step ─┐
//   sealing, in the background ─────┘      ▲                                                     │
//                                          └─────────────────── until Settle ◄───────────────────┘

import {
  ConfigMap,
  ImageBuild,
  imageBuildFinalizer,
  imageBuildLabel,
  isStatus,
  parseDuration,
  Provider,
  retryBuildAnnotation,
  VirtualMachine,
  VMImage,
  VMRole,
} from "@vivarium/api";
import { findUnreachable, layerDigestOf, neededUrls, provisionState, recipeDigestOf } from "@vivarium/images";
import type { ProvisionState, UnreachableUrl } from "@vivarium/images";
import { isProviderError } from "@vivarium/provider";
import type { ImageMeasure } from "@vivarium/provider";
import { ensureFinalizer, related, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { BackgroundTasks } from "../background-tasks.ts";
import { imageOnProvider, providerStatusKey } from "../image-on-provider.ts";
import { imageOfBuild, ImageUsers, isPending, parentOf } from "../image-users.ts";
import { hostsOf, isOnThisMachine } from "../provider-config.ts";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ensureRoleImages } from "../roles/ensure-role-images.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { recordedDigest } from "../vm-image-source.ts";
import { buildMachine, buildMachineName, buildToken, viewBuildMachine } from "./image-build-machine.ts";
import { decideBuild } from "./image-build-plan.ts";
import type { BuildInput, BuildProvider, BuildRecord, BuildStep, BuildTarget } from "./image-build-plan.ts";
import { placeInQueue } from "./image-build-queue.ts";
import type { QueuedBuild } from "./image-build-queue.ts";
import { buildRecordOf, earlierDurations, imageBuildStatus } from "./image-build-status.ts";
import type { BuildNews } from "./image-build-status.ts";

export interface ImageBuildControllerOptions {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly clock: Clock;
  /** How many build at once. */
  readonly mostAtOnce?: number;
  /** Says at which URLs nobody answers. */
  readonly askSources?: typeof findUnreachable;
}

const mostSteps = 20;
const defaultMostAtOnce = 2;
const sealTimeoutMs = 1_800_000;
const askTimeoutMs = 120_000;
/** Of the guest's log: what is looked at for marks, and what is kept when its machine goes. */
const logLookBytes = 262_144;
const logKeepBytes = 262_144;

interface Look {
  readonly input: BuildInput;
  readonly image: VMImage | undefined;
  readonly provider: ProviderKey | undefined;
}

export function createImageBuildController({
  manager,
  registry,
  clock,
  mostAtOnce = defaultMostAtOnce,
  askSources = findUnreachable,
}: ImageBuildControllerOptions): Controller {
  const { client, recorder } = manager;
  const builds = manager.cache(ImageBuild);
  const images = manager.cache(VMImage);
  const machines = manager.cache(VirtualMachine);
  const roles = manager.cache(VMRole);
  const providers = manager.cache(Provider);
  const users = new ImageUsers(manager);
  let wake: (request: ReconcileRequest) => void = () => undefined;
  const sealings = new BackgroundTasks<ImageMeasure, { readonly doneBytes: number }>({
    clock,
    onChange: (key) => wake(JSON.parse(key) as ReconcileRequest),
  });
  const askings = new BackgroundTasks<readonly UnreachableUrl[], never>({
    clock,
    onChange: (key) => wake(JSON.parse(key) as ReconcileRequest),
  });

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    for (let count = 0; count < mostSteps; count++) {
      const build = builds.get(request);
      if (build === undefined) {
        await Promise.all([sealings, askings].map((tasks) => tasks.stop(JSON.stringify(request))));
        return undefined;
      }
      const look = await observe(build, context.signal);
      const step = decideBuild(look.input);
      if (step.kind === "Settle") return settle(build, look, { step, signal: context.signal });
      await act(build, look, { step, signal: context.signal });
      if (step.kind === "RemoveFinalizer") return undefined;
    }
    throw new Error(`Cannot settle ImageBuild "${request.namespace}/${request.name}": ${mostSteps} steps led nowhere`);
  }

  async function observe(build: ImageBuild, signal: AbortSignal): Promise<Look> {
    const { metadata, spec, status } = build;
    const { namespace = "default" } = metadata;
    const record = buildRecordOf(build);
    const isEnded = !isPending(build);
    const provider = users.providerOfBuild(build);
    const { target, image } = await findTarget(build, { provider, isEnded, signal });
    const vm =
      record.attempt === 0 ? undefined : machines.get({ namespace, name: buildMachineName(build, record.attempt) });
    const digest = target.kind === "found" ? target.digest : undefined;
    const log = isEnded || record.stage !== "machine" ? silent : await readLog(build, { vm, record, provider, signal });
    const retryRequest = metadata.annotations?.[retryBuildAnnotation];
    const input: BuildInput = {
      nowMs: clock.now(),
      isDeleting: metadata.deletionTimestamp !== undefined,
      hasFinalizer: metadata.finalizers?.includes(imageBuildFinalizer) ?? false,
      isCancelled: spec.cancelled === true,
      keepOnFailure: spec.keepOnFailure === true,
      ...(retryRequest === undefined || retryRequest === status?.lastRetryRequest ? {} : { retryRequest }),
      phase: status?.phase,
      record: log.kind === "running" ? { ...record, step: log.step } : record,
      timeoutMs: parseDuration(spec.timeout ?? "1h"),
      retries: spec.retries ?? 1,
      target,
      provider: isEnded
        ? { kind: "open", layer: { kind: "unknown" } }
        : await lookAtProvider(provider, { digest, signal }),
      machine: viewBuildMachine(vm, build),
      log,
      sealing: sealings.state(keyOf(build)),
      asking: askings.state(keyOf(build)),
      place: placeInQueue(queue(build, digest), { key: queueKey(build), mostAtOnce }),
    };
    return { input, image, provider };
  }

  /** Whoever asks for a place is ready to begin. */
  function queue(build: ImageBuild, digest: string | undefined): readonly QueuedBuild[] {
    const own = queued(build, digest ?? build.status?.digest);
    const others = builds.list().filter((other) => isPending(other) && other.metadata.uid !== build.metadata.uid);
    return [
      ...others.map((other) => queued(other, other.status?.digest)),
      { ...own, state: own.state === "blocked" ? "waiting" : own.state },
    ];
  }

  function queued(build: ImageBuild, digest: string | undefined): QueuedBuild {
    const { metadata, spec, status } = build;
    const { stage } = buildRecordOf(build);
    const layer = digest === undefined ? undefined : JSON.stringify([users.providerOfBuild(build), digest]);
    return {
      key: queueKey(build),
      priority: spec.priority ?? 0,
      createdAt: metadata.creationTimestamp ?? "",
      ...(layer === undefined ? {} : { layer }),
      // One that has not said what it waits for yet may wait for its parent: it stands in nobody's way.
      state: stage !== "none" ? "running" : status?.phase === "Queued" ? "waiting" : "blocked",
    };
  }

  async function findTarget(
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
      const found = await ensureRoleImages(manager, { roleRef, namespace, roles, signal });
      if (found.kind === "problem") return problem(found.reason, found.message);
      name = found.images.at(-1)?.name;
    }
    const image = name === undefined ? undefined : images.get({ namespace, name });
    const layer = image?.spec.source?.layer;
    if (name === undefined || image === undefined)
      return problem("ImageNotFound", `VMImage "${name ?? ""}" does not exist`);
    if (layer === undefined) return problem("NotALayer", `VMImage "${name}" is no layer: there is nothing to build`);
    const parent = images.get(parentOf(image) ?? { namespace, name: "" });
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
        sources: isNear(provider) ? neededUrls(layer) : [],
      },
    };
  }

  /** Of a hypervisor elsewhere only its guests know what they reach. */
  function isNear(key: ProviderKey | undefined): boolean {
    const provider = key && providers.get(key);
    if (key === undefined || provider === undefined) return false;
    const hosts = hostsOf(provider);
    const host = key.host === undefined ? hosts[0] : hosts.find(({ name }) => name === key.host);
    return host !== undefined && isOnThisMachine(host);
  }

  async function lookAtProvider(
    key: ProviderKey | undefined,
    { digest, signal }: { readonly digest: string | undefined; readonly signal: AbortSignal },
  ): Promise<BuildProvider> {
    if (key === undefined) {
      const message = "It names no Provider, and its namespace has none or several: name one in spec.providerRef";
      return { kind: "problem", reason: "ProviderNotFound", message, isHopeless: false };
    }
    const open = registry.get(key);
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

  /** What cannot be read now is read later: the guest goes on meanwhile. */
  async function readLog(
    build: ImageBuild,
    {
      vm,
      record,
      provider,
      signal,
    }: {
      readonly vm: VirtualMachine | undefined;
      readonly record: BuildRecord;
      readonly provider: ProviderKey | undefined;
      readonly signal: AbortSignal;
    },
  ): Promise<ProvisionState> {
    const text = vm && (await serialText(vm, { provider, signal, tailBytes: logLookBytes }));
    return text === undefined ? silent : provisionState(text, buildToken(build, record.attempt));
  }

  async function serialText(
    vm: VirtualMachine,
    {
      provider,
      signal,
      tailBytes,
    }: { readonly provider: ProviderKey | undefined; readonly signal: AbortSignal; readonly tailBytes: number },
  ): Promise<string | undefined> {
    const console = provider && registry.get(provider)?.console;
    if (console === undefined || vm.status?.domain === undefined) return undefined;
    try {
      const bytes = await console.readLog(identityOf(vm), { tailBytes, signal });
      return new TextDecoder().decode(bytes);
    } catch (error) {
      signal.throwIfAborted();
      if (!isProviderError(error)) throw error;
      return undefined;
    }
  }

  async function act(
    build: ImageBuild,
    look: Look,
    { step, signal }: { readonly step: Exclude<BuildStep, { kind: "Settle" }>; readonly signal: AbortSignal },
  ): Promise<void> {
    const { record, nowMs } = look.input;
    const { namespace = "default", name } = build.metadata;
    const machine = { namespace, name: buildMachineName(build, record.attempt) };
    const note = (type: "Normal" | "Warning", reason: string, message: string): void =>
      recorder.record(build, { type, reason, message });
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(client, { type: ImageBuild, object: build, finalizer: imageBuildFinalizer }, { signal });
        return;
      case "AskSources": {
        const timeoutError = new Error(`No end within ${askTimeoutMs / 1000} s`);
        askings.start(keyOf(build), (options) => askSources(step.urls, options), {
          timeoutMs: askTimeoutMs,
          timeoutError,
        });
        return;
      }
      case "RemoveFinalizer":
        await sealings.stop(keyOf(build));
        await removeFinalizer(client, { type: ImageBuild, object: build, finalizer: imageBuildFinalizer }, { signal });
        return;
      case "Begin": {
        await sealings.stop(keyOf(build));
        const { digest, recipeDigest, attempt } = step;
        const because = step.why === undefined ? "" : `, since the last one failed: ${step.why}`;
        const message = `Try ${attempt} begins${because}`;
        note(step.why === undefined ? "Normal" : "Warning", "Begun", message);
        const begun: BuildRecord = { attempt, stage: "machine", startedMs: nowMs, digest, recipeDigest };
        await write(build, look, { phase: "Starting", reason: "Starting", message, record: begun, signal });
        return;
      }
      case "CreateMachine":
        if (look.image === undefined) return;
        try {
          await client.create(VirtualMachine, buildMachine(build, { image: look.image, attempt: record.attempt }), {
            signal,
          });
        } catch (error) {
          // Such as one that is too large for any host: another try would be refused as well.
          if (isStatus(error, "Invalid", "Forbidden")) {
            const end = { phase: "Failed", reason: "MachineRefused", message: error.message } as const;
            await act(build, look, { step: { kind: "End", end }, signal });
            return;
          }
          if (!isStatus(error, "AlreadyExists")) throw error;
          // Made by an earlier try that did not live to record it; the cache will have it shortly.
          machines.observe(await client.get(VirtualMachine, machine, { signal }));
        }
        return;
      case "RecordMachine":
        await write(build, look, {
          phase: "Starting",
          reason: "Starting",
          message: "Its machine is being made",
          record: { ...record, machine: step.uid },
          signal,
        });
        return;
      case "RecordBuilt":
        await write(build, look, {
          phase: "ShuttingDown",
          reason: "Built",
          message: "The guest has done all of it",
          record: { ...record, stage: "built" },
          signal,
        });
        return;
      case "ShutDown":
        await client.mergePatch(VirtualMachine, machine, { spec: { powerState: "OffGraceful" } }, { signal });
        return;
      case "Seal":
        startSealing(build, look, step.digest);
        return;
      case "RemoveMachine":
        await keepLog(build, look, signal);
        if (step.why !== undefined) {
          note("Warning", "MachineRemoved", step.why);
          await write(builds.get(requestOf(build)) ?? build, look, {
            phase: "Queued",
            reason: "RemovingMachine",
            message: step.why,
            record: { ...record, lostFor: step.why },
            signal,
          });
        }
        await removeMachine(machine, signal);
        return;
      case "Restart": {
        await sealings.stop(keyOf(build));
        const message = "Tried again, as asked";
        note("Normal", "Retried", message);
        const status = imageBuildStatus(build, {
          ...newsOf(build, look),
          phase: "Queued",
          reason: "Retried",
          message,
          record: { attempt: 0, stage: "none" },
        });
        await writeStatus(
          client,
          { type: ImageBuild, object: build, status: { ...status, lastRetryRequest: step.request } },
          { signal },
        );
        return;
      }
      case "End": {
        const { phase, reason, message } = step.end;
        // Asked anew where it is tried again.
        await askings.stop(keyOf(build));
        note(phase === "Failed" ? "Warning" : "Normal", reason, message);
        await keepLog(build, look, signal);
        const current = builds.get(requestOf(build)) ?? build;
        await write(current, look, { phase, reason, message, record, signal, end: { isCached: record.attempt === 0 } });
        return;
      }
    }
    throw new TypeError(`Unknown step of ImageBuild "${name}": ${JSON.stringify(step satisfies never)}`);
  }

  function startSealing(build: ImageBuild, { input, provider }: Look, digest: string): void {
    const { namespace = "default" } = build.metadata;
    const vm = machines.get({ namespace, name: buildMachineName(build, input.record.attempt) });
    const layers = provider && registry.get(provider)?.layers;
    if (vm === undefined || layers === undefined) return;
    const timeoutError = new Error(`Cannot seal the disk within ${sealTimeoutMs / 1000} s`);
    sealings.start(
      keyOf(build),
      async ({ signal, report }) => {
        const onProgress = (doneBytes: number): void => report({ doneBytes });
        await layers.seal(identityOf(vm), { disk: "root", digest }, { signal, onProgress });
        return layers.measure(digest, { signal });
      },
      { timeoutMs: sealTimeoutMs, timeoutError },
    );
  }

  async function removeMachine(
    key: { readonly namespace: string; readonly name: string },
    signal: AbortSignal,
  ): Promise<void> {
    const vm = machines.get(key);
    if (vm === undefined) return;
    try {
      await client.delete(VirtualMachine, key, {
        signal,
        ...(vm.metadata.uid === undefined ? {} : { uid: vm.metadata.uid }),
      });
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
    try {
      // Its deletion takes steps of its own; the next look has to see that it began.
      machines.observe(await client.get(VirtualMachine, key, { signal }));
    } catch (error) {
      if (!isStatus(error, "NotFound")) throw error;
    }
  }

  /** The end of what the guest said outlives its machine, in a ConfigMap that goes with the build. */
  async function keepLog(build: ImageBuild, { input, provider }: Look, signal: AbortSignal): Promise<void> {
    const { namespace = "default", name, uid = "" } = build.metadata;
    const vm = machines.get({ namespace, name: buildMachineName(build, input.record.attempt) });
    const text = vm && (await serialText(vm, { provider, signal, tailBytes: logKeepBytes }));
    if (text === undefined || text === "") return;
    const key = { namespace, name: `${name}-log` };
    const data = { log: text };
    try {
      await client.create(
        ConfigMap,
        {
          apiVersion: "v1",
          kind: ConfigMap.kind,
          metadata: {
            ...key,
            labels: { [imageBuildLabel]: name },
            ownerReferences: [
              { apiVersion: `${ImageBuild.group}/${ImageBuild.version}`, kind: ImageBuild.kind, name, uid },
            ],
          },
          data,
        },
        { signal },
      );
    } catch (error) {
      if (!isStatus(error, "AlreadyExists")) throw error;
      await client.mergePatch(ConfigMap, key, { data }, { signal });
    }
    const current = builds.get(requestOf(build)) ?? build;
    const status = { ...current.status, logConfigMap: key.name };
    await writeStatus(client, { type: ImageBuild, object: current, status }, { signal });
  }

  async function settle(
    build: ImageBuild,
    look: Look,
    { step, signal }: { readonly step: Extract<BuildStep, { kind: "Settle" }>; readonly signal: AbortSignal },
  ): Promise<ReconcileResult> {
    const next = step.lookAgainMs === undefined ? undefined : { requeueAfterMs: step.lookAgainMs };
    // What has ended stays as it was told.
    if (!isPending(build)) return next;
    const { phase, reason, message } = step;
    await write(build, look, { phase, reason, message, record: look.input.record, signal });
    return next;
  }

  async function write(
    build: ImageBuild,
    look: Look,
    {
      signal,
      ...news
    }: Pick<BuildNews, "phase" | "reason" | "message" | "record" | "end"> & { readonly signal: AbortSignal },
  ): Promise<void> {
    const status = imageBuildStatus(build, { ...newsOf(build, look), ...news });
    await writeStatus(client, { type: ImageBuild, object: build, status }, { signal });
  }

  function newsOf(
    build: ImageBuild,
    { input, image, provider }: Look,
  ): Omit<BuildNews, "phase" | "reason" | "message"> {
    const { target, place, record } = input;
    const role = image?.spec.source?.layer?.role ?? build.spec.roleRef?.name;
    const found = target.kind === "found" ? target : undefined;
    return {
      nowMs: input.nowMs,
      record,
      earlierMs: earlierDurations(builds.list(), record.recipeDigest),
      ...(found === undefined ? {} : { image: found.image, parent: found.parent }),
      ...(found?.digest === undefined ? {} : { digest: found.digest }),
      ...(role === undefined ? {} : { role }),
      ...(provider === undefined ? {} : { provider: providerStatusKey(build, provider) }),
      ...(place.kind === "queued" ? { queuePosition: place.position } : {}),
      ...(input.sealing.kind === "done" ? { measure: input.sealing.result } : {}),
    };
  }

  return {
    name: "image-build",
    for: ImageBuild,
    // One at a time, so that two do not take the same turn.
    concurrency: 1,
    related: [
      related(ImageBuild, (build) =>
        builds
          .list()
          .filter((other) => isPending(other) && other.metadata.uid !== build.metadata.uid && !isPending(build))
          .map(requestOf),
      ),
      related(VirtualMachine, ({ metadata }) => {
        const name = metadata.labels?.[imageBuildLabel];
        return name === undefined ? [] : [{ namespace: metadata.namespace ?? "", name }];
      }),
      related(VMImage, (image) => {
        const own = requestOf(image);
        return builds
          .list({ namespace: own.namespace })
          .filter((build) => {
            if (!isPending(build)) return false;
            const name = imageOfBuild(build);
            const target = name === undefined ? undefined : images.get({ namespace: own.namespace, name });
            return name === own.name || (target !== undefined && parentOf(target)?.name === own.name);
          })
          .map(requestOf);
      }),
      related(VMRole, () =>
        builds
          .list()
          .filter((build) => isPending(build) && build.spec.roleRef !== undefined)
          .map(requestOf),
      ),
    ],
    sources: [
      (add, { signal }) => {
        wake = add;
        registry.subscribe(
          ({ event }) => {
            if (event.kind === "connected") for (const build of builds.list().filter(isPending)) add(requestOf(build));
          },
          { signal },
        );
        signal.addEventListener("abort", () => void Promise.all([sealings.stopAll(), askings.stopAll()]), {
          once: true,
        });
      },
    ],
    reconcile,
  };
}

const silent: ProvisionState = { kind: "silent" };

function keyOf(build: ImageBuild): string {
  return JSON.stringify(requestOf(build));
}

function queueKey({ metadata }: ImageBuild): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
