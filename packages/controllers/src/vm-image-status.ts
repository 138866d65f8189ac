// What a VMImage's status says. Pure.

import { findCondition, formatDuration, formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { VMImage, VMImageStatus } from "@vivarium/api";
import { humanSize } from "./human-size.ts";
import {
  activeFetch,
  failureOf,
  fetched,
  nextFetchMs,
  nextImportMs,
  nextRefreshMs,
  refreshedSource,
} from "./vm-image-plan.ts";
import type { ImageObservation, ImageUser } from "./vm-image-plan.ts";
import { describeSource, promisedDigest, recordedDigest } from "./vm-image-source.ts";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

type Phase = NonNullable<VMImageStatus["phase"]>;
type Progress = NonNullable<VMImageStatus["importProgress"]>;
type ProviderEntries = NonNullable<VMImageStatus["providerStatus"]>;

interface Summary {
  readonly phase: Phase;
  readonly reason: string;
  /** For the conditions: does not change from second to second. */
  readonly message: string;
  /** Why it is done so. Conditions only. */
  readonly because?: string;
  /** How far it is, in words. */
  readonly detail?: string;
  readonly progress?: Progress;
}

export function imageStatus(image: VMImage, observation: ImageObservation): VMImageStatus {
  const old = image.status ?? {};
  const summary = summaryOf(image, observation);
  const providerStatus = providerEntries(image, observation);
  const found = foundOf(image, observation);
  const isReady = summary.phase === "Ready";
  const observed = observedGenerationOf(image);
  const now = new Date(observation.nowMs);
  const prepared = isReady && old.ready !== true ? formatTime(now) : old.lastPrepareTime;
  const available = Object.keys(providerStatus).filter((key) => providerStatus[key]?.available === true);
  const isActive = summary.progress !== undefined;
  const message = summary.because === undefined ? summary.message : `${summary.message} (${summary.because})`;
  const conditions = setCondition(
    old.conditions,
    {
      type: "Ready",
      status: isReady ? "True" : "False",
      reason: summary.reason,
      message,
      ...observed,
    },
    { now },
  );
  const refreshed = refreshedOf(image, observation);
  return {
    ready: isReady,
    phase: summary.phase,
    message: summary.detail === undefined ? summary.message : `${summary.message}: ${summary.detail}`,
    ...found,
    ...(available.length === 0 ? {} : { availableOn: available.sort() }),
    ...(prepared === undefined ? {} : { lastPrepareTime: prepared }),
    ...(refreshed === undefined ? {} : { lastRefreshTime: formatTime(new Date(refreshed.lastMs)) }),
    ...(summary.progress === undefined ? {} : { importProgress: summary.progress }),
    ...(Object.keys(providerStatus).length === 0 ? {} : { providerStatus }),
    ...observed,
    conditions: setCondition(
      refreshed === undefined
        ? conditions.filter(({ type }) => type !== "Refreshed")
        : setCondition(conditions, { type: "Refreshed", ...refreshed.verdict, ...observed }, { now }),
      {
        type: "Importing",
        status: isActive ? "True" : "False",
        reason: isActive ? summary.phase : summary.reason,
        message,
        ...observed,
      },
      { now },
    ),
  };
}

/** What is told of the looks for a newer image; undefined where there are none. */
function refreshedOf(
  image: VMImage,
  { refresh, work }: ImageObservation,
): { readonly lastMs: number; readonly verdict: Verdict } | undefined {
  if (work.kind === "problem" || refresh === undefined || refreshedSource(work) === undefined) return undefined;
  const { state, lastMs } = refresh;
  const next = timeText(nextRefreshMs(refresh, work));
  if (state.kind === "failed") {
    const { reason, message } = failureOf(state.error);
    const verdict = {
      status: "False",
      reason,
      message: `${message}; the image is kept, and asked for again at ${next}`,
    } as const;
    return { lastMs: Math.max(lastMs, state.failedMs), verdict };
  }
  const old = findCondition(image.status?.conditions, "Refreshed");
  if (state.kind !== "done") {
    const kept = old === undefined ? undefined : { status: old.status, reason: old.reason, message: old.message ?? "" };
    return {
      lastMs,
      verdict: kept ?? { status: "True", reason: "Fetched", message: "It was fetched a short while ago" },
    };
  }
  return { lastMs, verdict: state.result.hasChanged ? changed : unchanged };
}

const unchanged: Verdict = { status: "True", reason: "Unchanged", message: "The source gives the same image" };
const changed: Verdict = {
  status: "True",
  reason: "Changed",
  message: "The source gave another image: machines made from now on get that one",
};

function summaryOf(image: VMImage, observation: ImageObservation): Summary {
  const { work, users } = observation;
  if (work.kind === "problem") return { phase: "Failed", reason: work.reason, message: work.message };
  if (users.length === 0) return unusedSummary(image);
  const lacking = users.filter((user) => user.seen.kind === "absent");
  const blind = users.find((user) => user.seen.kind === "not-open" || user.seen.kind === "unavailable");
  if (lacking.length === 0) {
    if (blind === undefined) return readySummary(image, observation);
    return { phase: "Pending", reason: "ProviderNotReady", message: blindMessage(blind) };
  }
  switch (work.onMissing) {
    case "Fail": {
      const message = `${missingOn(lacking)}, and spec.prepare.onMissing is Fail: it is not brought there`;
      return { phase: "Failed", reason: "MissingOnProvider", message };
    }
    case "Wait": {
      const message = `${missingOn(lacking)}, and spec.prepare.onMissing is Wait: looked for again every minute`;
      return { phase: "Pending", reason: "WaitingForImage", message };
    }
    case "Import":
      return fetched(observation) === undefined ? fetchSummary(observation) : importSummary(observation, lacking);
  }
  throw new TypeError(`Unknown onMissing: ${JSON.stringify(work.onMissing satisfies never)}`);
}

function unusedSummary(image: VMImage): Summary {
  const { status } = image;
  const available = status?.availableOn ?? [];
  if ((status?.ready === true || available.length > 0) && recordedDigest(image) !== undefined) {
    return { phase: "Ready", reason: "Prepared", message: `Available on ${available.join(", ")}` };
  }
  return { phase: "Pending", reason: "NotUsed", message: "Prepared as soon as a VirtualMachine uses it" };
}

function readySummary(image: VMImage, observation: ImageObservation): Summary {
  const { work } = observation;
  const names = namesOf(observation.users);
  const isBuilt = (activeFetch(observation)?.source.kind ?? image.status?.source) === "debootstrap";
  const url = work.kind === "problem" ? undefined : work.sources.find((source) => source.kind === "url");
  const because = url === undefined ? "" : ` because ${describeSource(url)} did not answer`;
  const built = isBuilt ? `, built locally${because}` : "";
  return { phase: "Ready", reason: "Prepared", message: `Available on ${names}${built}` };
}

function fetchSummary(observation: ImageObservation): Summary {
  const active = activeFetch(observation);
  if (active === undefined || observation.work.kind === "problem") {
    return { phase: "Pending", reason: "Pending", message: "About to be fetched" };
  }
  const { source, state, fallback } = active;
  const instead = fallback === undefined ? undefined : `instead of ${describeSource(fallback.from)}: ${fallback.cause}`;
  switch (state.kind) {
    case "running": {
      const { progress } = state;
      const isBuild = source.kind === "debootstrap";
      const phase = progress?.phase ?? (isBuild ? "Importing" : "Downloading");
      const verb = isBuild ? "Building" : phase === "Converting" ? "Converting" : "Downloading";
      const message = `${verb} ${describeSource(source)}`;
      const bytes = {
        transferredBytes: progress?.transferredBytes ?? 0,
        totalBytes: progress?.totalBytes ?? 0,
        bytesPerSecond: progress?.bytesPerSecond ?? 0,
        ...(progress?.etaSeconds === undefined ? {} : { etaSeconds: progress.etaSeconds }),
      };
      const words = [progress?.message, bytesText(bytes)]
        .filter((text) => text !== undefined && text !== "")
        .join(", ");
      return {
        phase,
        reason: isBuild ? "Building" : phase,
        message,
        ...(instead === undefined ? {} : { because: instead }),
        ...(words === "" ? {} : { detail: words }),
        progress: progressOf(bytes, state.startedMs),
      };
    }
    case "failed": {
      const failure = failureOf(state.error);
      const nextMs = nextFetchMs(state, observation.work);
      const isGivenUp = nextMs === undefined || state.failures > observation.work.retries;
      const next =
        nextMs === undefined ? "not tried again until the spec changes" : `tried again at ${timeText(nextMs)}`;
      const tried = instead === undefined ? "" : ` (${instead})`;
      const message = `Cannot get ${describeSource(source)}: ${failure.message}${tried}; ${next}`;
      return { phase: isGivenUp ? "Failed" : "Pending", reason: failure.reason, message };
    }
    case "none":
    case "done":
      return { phase: "Pending", reason: "Pending", message: `About to get ${describeSource(source)}` };
  }
  throw new TypeError(`Unknown state: ${JSON.stringify(state satisfies never)}`);
}

function importSummary(observation: ImageObservation, lacking: readonly ImageUser[]): Summary {
  const running = lacking.find((user) => user.importing.kind === "running");
  if (running?.importing.kind === "running") {
    const { startedMs, progress } = running.importing;
    const totalBytes = fetched(observation)?.sizeBytes ?? 0;
    const transferredBytes = progress?.sentBytes ?? 0;
    const seconds = (observation.nowMs - startedMs) / 1000;
    const bytesPerSecond = seconds > 0 ? Math.round(transferredBytes / seconds) : 0;
    const eta = bytesPerSecond > 0 ? { etaSeconds: Math.ceil((totalBytes - transferredBytes) / bytesPerSecond) } : {};
    const bytes = { transferredBytes, totalBytes, bytesPerSecond, ...eta };
    return {
      phase: "Importing",
      reason: "Importing",
      message: `Sending it to ${running.statusKey}`,
      detail: bytesText(bytes),
      progress: progressOf(bytes, startedMs),
    };
  }
  const failed = lacking.find((user) => user.importing.kind === "failed");
  if (failed?.importing.kind !== "failed") {
    return { phase: "Pending", reason: "Pending", message: `About to be sent to ${namesOf(lacking)}` };
  }
  const failure = failureOf(failed.importing.error);
  const next = `tried again at ${timeText(nextImportMs(failed.importing))}`;
  return {
    phase: failure.isRetryable ? "Pending" : "Failed",
    reason: failure.reason,
    message: `Cannot send it to ${failed.statusKey}: ${failure.message}; ${next}`,
  };
}

/** What the image itself is, once that is known. */
function foundOf(image: VMImage, observation: ImageObservation): Partial<VMImageStatus> {
  const cached = fetched(observation);
  const active = activeFetch(observation);
  if (cached !== undefined) {
    return {
      ...(active === undefined ? {} : { source: active.source.kind }),
      digest: cached.digest,
      checksum: cached.digest,
      format: cached.format,
      size: formatQuantity(cached.sizeBytes),
      virtualSize: formatQuantity(cached.virtualSizeBytes),
    };
  }
  const recorded = recordedDigest(image);
  const { source, checksum, format, size, virtualSize } = image.status ?? {};
  if (recorded !== undefined) {
    return JSON.parse(
      JSON.stringify({ source, digest: recorded, checksum, format, size, virtualSize }),
    ) as Partial<VMImageStatus>;
  }
  return promisedOf(observation);
}

/** Found on a provider by the checksum that the spec promises, without having been fetched. */
function promisedOf({ users, work }: ImageObservation): Partial<VMImageStatus> {
  const present = users.flatMap(({ seen }) => (seen.kind === "present" ? [seen.imported] : []))[0];
  if (present === undefined || work.kind === "problem") return {};
  const digest = work.isForced ? undefined : work.sources.map(promisedDigest).find((each) => each !== undefined);
  if (digest === undefined) return {};
  return { source: "url", digest, checksum: digest, virtualSize: formatQuantity(present.virtualSizeBytes) };
}

function providerEntries(image: VMImage, observation: ImageObservation): ProviderEntries {
  const isSameImage = recordedDigest(image) !== undefined;
  const old = isSameImage ? (image.status?.providerStatus ?? {}) : {};
  const entries: ProviderEntries = {};
  // Where it was brought once it stays until it is deleted, also when no VM there uses it any more.
  for (const [key, entry] of Object.entries(old)) if (entry.available) entries[key] = entry;
  const size = fetched(observation)?.sizeBytes;
  for (const user of observation.users) {
    const previous = image.status?.providerStatus?.[user.statusKey];
    const { lastUpdated, ...before } = previous ?? { available: false };
    const entry = entryOf(user, size === undefined ? previous?.size : formatQuantity(size));
    const isSame = JSON.stringify(sorted(before)) === JSON.stringify(sorted(entry));
    entries[user.statusKey] = {
      ...entry,
      lastUpdated: isSame && lastUpdated !== undefined ? lastUpdated : formatTime(new Date(observation.nowMs)),
    };
  }
  return entries;
}

function entryOf(user: ImageUser, size: string | number | undefined): ProviderEntries[string] {
  switch (user.seen.kind) {
    case "present": {
      const { id, path } = user.seen.imported;
      return { available: true, id, path, ...(size === undefined ? {} : { size }) };
    }
    case "absent": {
      // What is done about it says the image itself.
      if (user.importing.kind !== "failed") return { available: false };
      return { available: false, message: failureOf(user.importing.error).message };
    }
    case "not-open":
    case "unavailable":
      return { available: false, message: blindMessage(user) };
  }
  throw new TypeError(`Unknown state: ${JSON.stringify(user.seen satisfies never)}`);
}

function blindMessage(user: ImageUser): string {
  const cause = user.seen.kind === "unavailable" ? `: ${user.seen.error.message}` : "";
  return `Provider "${user.statusKey}" cannot be asked${cause}`;
}

function missingOn(users: readonly ImageUser[]): string {
  return `The image is not on ${namesOf(users)}`;
}

function namesOf(users: readonly ImageUser[]): string {
  return users
    .map((user) => user.statusKey)
    .sort()
    .join(", ");
}

interface Bytes {
  readonly transferredBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly etaSeconds?: number;
}

function bytesText({ transferredBytes, totalBytes, bytesPerSecond, etaSeconds }: Bytes): string {
  if (transferredBytes === 0 && totalBytes === 0) return "";
  const of = totalBytes === 0 ? "" : ` of ${humanSize(totalBytes)}`;
  const rate = bytesPerSecond === 0 ? "" : `, ${humanSize(bytesPerSecond)}/s`;
  const eta = etaSeconds === undefined ? "" : `, ${formatDuration(etaSeconds * 1000)} left`;
  return `${humanSize(transferredBytes)}${of}${rate}${eta}`;
}

function progressOf({ transferredBytes, totalBytes, bytesPerSecond, etaSeconds }: Bytes, startedMs: number): Progress {
  const percentage =
    totalBytes === 0 ? {} : { percentage: Math.min(100, Math.floor((transferredBytes / totalBytes) * 100)) };
  return {
    totalBytes,
    transferredBytes,
    transferRate: Math.round(bytesPerSecond),
    ...percentage,
    startTime: formatTime(new Date(startedMs)),
    ...(etaSeconds === undefined ? {} : { eta: formatDuration(etaSeconds * 1000) }),
  };
}

function timeText(ms: number): string {
  return formatTime(new Date(ms));
}

function sorted(entry: object): object {
  return Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)));
}
