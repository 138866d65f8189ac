// What the ImageBuild controller does, and what it reports.

import { ImageBuild, isStatus, VirtualMachine } from "@vivarium/api";
import type { VMImage } from "@vivarium/api";
import type { findUnreachable, UnreachableUrl } from "@vivarium/images";
import type { ImageMeasure } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import type { Cache, Manager } from "@vivarium/runtime";
import { ignoring } from "../ignoring.ts";
import { providerStatusKey } from "../image-on-provider.ts";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import type { OwnStep } from "../steps/step.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import type { BuildLogs } from "./build-logs.ts";
import { buildMachine, buildMachineName } from "./image-build-machine.ts";
import type { BuildInput, BuildRecord, BuildStep } from "./image-build-plan.ts";
import { earlierDurations, imageBuildStatus } from "./image-build-status.ts";
import type { BuildNews } from "./image-build-status.ts";

/** What the ImageBuild controller works with. */
export interface BuildParts {
  readonly manager: Manager;
  readonly registry: ProviderRegistry;
  readonly builds: Cache<ImageBuild>;
  readonly machines: Cache<VirtualMachine>;
  readonly sealings: ObjectTasks<ImageMeasure, { readonly doneBytes: number }>;
  readonly askings: ObjectTasks<readonly UnreachableUrl[], never>;
  readonly logs: BuildLogs;
  /** Says at which URLs nobody answers. */
  readonly askSources: typeof findUnreachable;
}

export interface BuildLook {
  readonly input: BuildInput;
  readonly image: VMImage | undefined;
  readonly provider: ProviderKey | undefined;
}

const sealTimeoutMs = 1_800_000;
const askTimeoutMs = 120_000;

export async function takeBuildStep(
  parts: BuildParts,
  build: ImageBuild,
  { step, look, signal }: { readonly step: OwnStep<BuildStep>; readonly look: BuildLook; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, builds, machines, sealings, askings, logs, askSources } = parts;
  const { client, recorder } = manager;
  const { record, nowMs } = look.input;
  const { namespace = "default" } = build.metadata;
  const machine = { namespace, name: buildMachineName(build, record.attempt) };
  const note = (type: "Normal" | "Warning", reason: string, message: string): void =>
    recorder.record(build, { type, reason, message });
  switch (step.kind) {
    case "AskSources": {
      const timeoutError = new Error(`No end within ${askTimeoutMs / 1000} s`);
      askings.start(requestOf(build), (options) => askSources(step.urls, options), {
        timeoutMs: askTimeoutMs,
        timeoutError,
      });
      return;
    }
    case "Begin": {
      await sealings.stop(requestOf(build));
      const { digest, recipeDigest, attempt } = step;
      const because = step.why === undefined ? "" : `, since the last one failed: ${step.why}`;
      const message = `Try ${attempt} begins${because}`;
      note(step.why === undefined ? "Normal" : "Warning", "Begun", message);
      const begun: BuildRecord = { attempt, stage: "machine", startedMs: nowMs, digest, recipeDigest };
      await reportBuild(parts, build, { look, phase: "Starting", reason: "Starting", message, record: begun, signal });
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
          await takeBuildStep(parts, build, { step: { kind: "End", end }, look, signal });
          return;
        }
        if (!isStatus(error, "AlreadyExists")) throw error;
        // Made by an earlier try that did not live to record it; the cache will have it shortly.
        machines.observe(await client.get(VirtualMachine, machine, { signal }));
      }
      return;
    case "RecordMachine":
      await reportBuild(parts, build, {
        look,
        phase: "Starting",
        reason: "Starting",
        message: "Its machine is being made",
        record: { ...record, machine: step.uid },
        signal,
      });
      return;
    case "RecordBuilt":
      await reportBuild(parts, build, {
        look,
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
      startSealing(parts, build, { look, digest: step.digest });
      return;
    case "RemoveMachine":
      await logs.keep(build, { vm: machines.get(machine), provider: look.provider, signal });
      if (step.why !== undefined) {
        note("Warning", "MachineRemoved", step.why);
        await reportBuild(parts, builds.get(requestOf(build)) ?? build, {
          look,
          phase: "Queued",
          reason: "RemovingMachine",
          message: step.why,
          record: { ...record, lostFor: step.why },
          signal,
        });
      }
      await removeMachine(parts, machine, signal);
      return;
    case "Restart": {
      await sealings.stop(requestOf(build));
      const message = "Tried again, as asked";
      note("Normal", "Retried", message);
      const status = imageBuildStatus(build, {
        ...newsOf(parts, build, look),
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
      await askings.stop(requestOf(build));
      note(phase === "Failed" ? "Warning" : "Normal", reason, message);
      await logs.keep(build, { vm: machines.get(machine), provider: look.provider, signal });
      const current = builds.get(requestOf(build)) ?? build;
      await reportBuild(parts, current, {
        look,
        phase,
        reason,
        message,
        record,
        signal,
        end: { isCached: record.attempt === 0 },
      });
      return;
    }
  }
}

function startSealing(
  { machines, registry, sealings }: BuildParts,
  build: ImageBuild,
  { look: { input, provider }, digest }: { readonly look: BuildLook; readonly digest: string },
): void {
  const { namespace = "default" } = build.metadata;
  const vm = machines.get({ namespace, name: buildMachineName(build, input.record.attempt) });
  const layers = provider && registry.get(provider)?.layers;
  if (vm === undefined || layers === undefined) return;
  const timeoutError = new Error(`Cannot seal the disk within ${sealTimeoutMs / 1000} s`);
  sealings.start(
    requestOf(build),
    async ({ signal, report }) => {
      const onProgress = (doneBytes: number): void => report({ doneBytes });
      await layers.seal(identityOf(vm), { disk: "root", digest }, { signal, onProgress });
      return layers.measure(digest, { signal });
    },
    { timeoutMs: sealTimeoutMs, timeoutError },
  );
}

async function removeMachine(
  { manager: { client }, machines }: BuildParts,
  key: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const uid = machines.get(key)?.metadata.uid;
  if (uid === undefined) return;
  await ignoring("NotFound", client.delete(VirtualMachine, key, { uid, signal }));
  // Its deletion takes steps of its own; the next look has to see that it began.
  const looking = client.get(VirtualMachine, key, { signal }).then((vm) => machines.observe(vm));
  await ignoring("NotFound", looking);
}

export async function reportBuild(
  parts: BuildParts,
  build: ImageBuild,
  {
    look,
    signal,
    ...news
  }: Pick<BuildNews, "phase" | "reason" | "message" | "record" | "end"> & {
    readonly look: BuildLook;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const status = imageBuildStatus(build, { ...newsOf(parts, build, look), ...news });
  await writeStatus(parts.manager.client, { type: ImageBuild, object: build, status }, { signal });
}

function newsOf(
  { builds }: BuildParts,
  build: ImageBuild,
  { input, image, provider }: BuildLook,
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
