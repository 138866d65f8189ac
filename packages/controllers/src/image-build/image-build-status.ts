// What an ImageBuild's status says, and what it remembers. Pure.

import { formatDuration, formatQuantity, formatTime, parseDuration, setCondition } from "@vivarium/api";
import type { ImageBuild, ImageBuildStatus } from "@vivarium/api";
import type { ImageMeasure } from "@vivarium/provider";
import { observedGenerationOf } from "../verdict.ts";
import { buildMachineName } from "./image-build-machine.ts";
import type { BuildPhase, BuildRecord } from "./image-build-plan.ts";

export function buildRecordOf({ status }: ImageBuild): BuildRecord {
  const record = status?.record ?? {};
  const { attempt, stage, startedMs, digest, recipeDigest, machine, lostFor, step } = record;
  return {
    attempt: typeof attempt === "number" ? attempt : 0,
    stage: stage === "machine" || stage === "built" ? stage : "none",
    ...(typeof startedMs === "number" ? { startedMs } : {}),
    ...(typeof digest === "string" ? { digest } : {}),
    ...(typeof recipeDigest === "string" ? { recipeDigest } : {}),
    ...(typeof machine === "string" ? { machine } : {}),
    ...(typeof lostFor === "string" ? { lostFor } : {}),
    ...(isStep(step) ? { step } : {}),
  };
}

function isStep(value: unknown): value is NonNullable<BuildRecord["step"]> {
  return typeof value === "object" && value !== null && "number" in value && "of" in value && "title" in value;
}

export interface BuildNews {
  readonly nowMs: number;
  readonly phase: BuildPhase;
  readonly reason: string;
  readonly message: string;
  readonly record: BuildRecord;
  /** Durations of earlier builds of the same recipe, the newest last. */
  readonly earlierMs: readonly number[];
  readonly image?: string;
  readonly role?: string;
  readonly parent?: string;
  readonly digest?: string;
  readonly provider?: string;
  readonly queuePosition?: number;
  readonly measure?: ImageMeasure;
  /** Only the end has one. */
  readonly end?: { readonly isCached: boolean };
}

export function imageBuildStatus(build: ImageBuild, news: BuildNews): ImageBuildStatus {
  const old = build.status ?? {};
  const { record, phase, nowMs, end } = news;
  const isRunning = record.stage !== "none" && end === undefined;
  const isMade = record.attempt > 0;
  const observed = observedGenerationOf(build);
  const startedAt = record.startedMs === undefined ? undefined : formatTime(new Date(record.startedMs));
  const elapsedMs = record.startedMs === undefined ? 0 : nowMs - record.startedMs;
  const progress = isRunning ? progressOf(news, elapsedMs) : phase === "Succeeded" ? { percentage: 100 } : {};
  return {
    phase,
    message: news.message,
    ...pick({
      image: news.image ?? old.image,
      role: news.role ?? old.role,
      parent: news.parent ?? old.parent,
      digest: news.digest ?? old.digest,
      provider: news.provider ?? old.provider,
      vm: isMade ? buildMachineName(build, record.attempt) : undefined,
      attempt: isMade ? record.attempt : undefined,
      step:
        isRunning && record.step !== undefined
          ? `${record.step.number}/${record.step.of} ${record.step.title}`
          : undefined,
      queuePosition: news.queuePosition,
      startedAt,
      contentDigest: news.measure?.contentDigest ?? old.contentDigest,
      size: news.measure === undefined ? old.size : formatQuantity(news.measure.allocationBytes),
      logConfigMap: old.logConfigMap,
      lastRetryRequest: old.lastRetryRequest,
    }),
    ...progress,
    ...(end === undefined ? {} : { finishedAt: formatTime(new Date(nowMs)) }),
    ...(phase === "Succeeded" && end !== undefined ? { isCached: end.isCached } : {}),
    ...(phase === "Succeeded" && end?.isCached === false && elapsedMs > 0
      ? { duration: formatDuration(Math.round(elapsedMs / 1000) * 1000) }
      : {}),
    record: { ...record },
    ...observed,
    conditions: setCondition(
      old.conditions,
      {
        type: "Complete",
        status: phase === "Succeeded" ? "True" : "False",
        reason: news.reason,
        message: news.message,
        ...observed,
      },
      { now: new Date(nowMs) },
    ),
  };
}

/** From what earlier builds of the recipe took; without one from the steps that are done. */
export function progressOf(
  { earlierMs, record, phase }: Pick<BuildNews, "earlierMs" | "record" | "phase">,
  elapsedMs: number,
): Pick<ImageBuildStatus, "percentage" | "eta"> {
  const expectedMs = median(earlierMs);
  if (expectedMs !== undefined && expectedMs > 0) {
    const percentage = Math.min(99, Math.floor((elapsedMs / expectedMs) * 100));
    const leftMs = expectedMs - elapsedMs;
    // What takes longer than ever before has no end that anybody knows.
    return { percentage, ...(leftMs > 0 ? { eta: formatDuration(Math.ceil(leftMs / 1000) * 1000) } : {}) };
  }
  if (phase === "ShuttingDown" || phase === "Sealing") return { percentage: 95 };
  if (record.step === undefined) return { percentage: 0 };
  return { percentage: Math.floor(((record.step.number - 1) / record.step.of) * 95) };
}

/** How long the successful builds of a recipe took, the newest last. */
export function earlierDurations(builds: readonly ImageBuild[], recipeDigest: string | undefined): readonly number[] {
  if (recipeDigest === undefined) return [];
  return builds
    .filter(({ status }) => status?.phase === "Succeeded" && status.duration !== undefined)
    .filter((build) => buildRecordOf(build).recipeDigest === recipeDigest)
    .toSorted((one, other) => ((one.status?.finishedAt ?? "") < (other.status?.finishedAt ?? "") ? -1 : 1))
    .flatMap(({ status }) => (status?.duration === undefined ? [] : [parseDuration(status.duration)]));
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.slice(-5).toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Without what is not there. */
function pick<T extends object>(fields: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: NonNullable<T[Key]>;
  };
}
