// The ImageBuild controller: builds layers, at most so many at once, each in a machine of its own.
//
//   images, machines, other builds ─┐
//   the guest's log ────────────────┼─► observe ─► decide (image-build-plan.ts) ─► act one step ─┐
//   sealing, in the background ─────┘      ▲                                                     │
//                                          └─────────────────── until Settle ◄───────────────────┘

import {
  ImageBuild,
  imageBuildFinalizer,
  imageBuildLabel,
  parseDuration,
  retryBuildAnnotation,
  VirtualMachine,
  VMImage,
  VMRole,
} from "@vivarium/api";
import { findUnreachable } from "@vivarium/images";
import type { UnreachableUrl } from "@vivarium/images";
import type { ImageMeasure } from "@vivarium/provider";
import { related } from "@vivarium/runtime";
import type { Clock, Controller, Manager } from "@vivarium/runtime";
import { imageOfBuild, ImageUsers, isPending, parentOf } from "../image-users.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import type { ObserveOptions } from "../steps/reconcile-in-steps.ts";
import type { OwnStep } from "../steps/step.ts";
import { BuildLogs } from "./build-logs.ts";
import { BuildTargets } from "./build-target.ts";
import { buildMachineName, viewBuildMachine } from "./image-build-machine.ts";
import { decideBuild } from "./image-build-plan.ts";
import type { BuildInput, BuildSituation, BuildStep } from "./image-build-plan.ts";
import { placeInQueue } from "./image-build-queue.ts";
import type { QueuedBuild } from "./image-build-queue.ts";
import { buildRecordOf } from "./image-build-status.ts";
import { reportBuild, takeBuildStep } from "./image-build-steps.ts";
import type { BuildLook, BuildParts } from "./image-build-steps.ts";

export interface ImageBuildControllerOptions {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly clock: Clock;
  /** How many build at once. */
  readonly mostAtOnce?: number;
  /** Says at which URLs nobody answers. */
  readonly askSources?: typeof findUnreachable;
}

const defaultMostAtOnce = 2;

export function createImageBuildController({
  manager,
  registry,
  clock,
  mostAtOnce = defaultMostAtOnce,
  askSources = findUnreachable,
}: ImageBuildControllerOptions): Controller {
  const builds = manager.cache(ImageBuild);
  const images = manager.cache(VMImage);
  const machines = manager.cache(VirtualMachine);
  const users = new ImageUsers(manager);
  const targets = new BuildTargets(manager, registry);
  const logs = new BuildLogs(manager, registry);
  const sealings = new ObjectTasks<ImageMeasure, { readonly doneBytes: number }>(clock);
  const askings = new ObjectTasks<readonly UnreachableUrl[], never>(clock);
  const parts: BuildParts = { manager, registry, builds, machines, sealings, askings, logs, askSources };

  async function observe(build: ImageBuild, { signal }: ObserveOptions<BuildLook>): Promise<BuildLook> {
    const { metadata, spec, status } = build;
    const { namespace = "default" } = metadata;
    const record = buildRecordOf(build);
    const isEnded = !isPending(build);
    const provider = users.providerOfBuild(build);
    const { target, image } = await targets.find(build, { provider, isEnded, signal });
    const vm =
      record.attempt === 0 ? undefined : machines.get({ namespace, name: buildMachineName(build, record.attempt) });
    const digest = target.kind === "found" ? target.digest : undefined;
    const log =
      isEnded || record.stage !== "machine"
        ? ({ kind: "silent" } as const)
        : await logs.stateOf(build, { vm, attempt: record.attempt, provider, signal });
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
        : await targets.lookAtProvider(provider, { digest, signal }),
      machine: viewBuildMachine(vm, build),
      log,
      sealing: sealings.state(requestOf(build)),
      asking: askings.state(requestOf(build)),
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
      sealings.source,
      askings.source,
      (add, { signal }) =>
        registry.subscribe(
          ({ event }) => {
            if (event.kind === "connected") for (const build of builds.list().filter(isPending)) add(requestOf(build));
          },
          { signal },
        ),
    ],
    reconcile: reconcileInSteps<ImageBuild, BuildLook, OwnStep<BuildStep>, BuildSituation>(
      {
        type: ImageBuild,
        finalizer: imageBuildFinalizer,
        observe,
        decide: ({ input }) => decideBuild(input),
        act: (build, step, options) => takeBuildStep(parts, build, { step, ...options }),
        async report(build, { situation: { kind, reason, message }, look, signal }) {
          // What has ended stays as it was told.
          if (!isPending(build)) return;
          const { record } = look.input;
          await reportBuild(parts, build, { look, phase: kind, reason, message, record, signal });
        },
        async end(request) {
          await Promise.all([sealings.stop(request), askings.stop(request)]);
        },
      },
      { manager, clock },
    ),
  };
}

function queueKey({ metadata }: ImageBuild): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}
