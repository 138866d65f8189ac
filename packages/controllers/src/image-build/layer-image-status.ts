// What the status of a VMImage says that is a layer. Pure.

import { formatQuantity, formatTime, setCondition } from "@vivarium/api";
import type { ImageBuild, VMImage, VMImageStatus } from "@vivarium/api";
import type { ImportedImage } from "@vivarium/provider";
import type { ProviderKey } from "../provider-registry.ts";
import { observedGenerationOf } from "../verdict.ts";

/** The layer on a provider where it is needed. */
export interface LayerUser {
  readonly provider: ProviderKey;
  /** Key in status.providerStatus. */
  readonly statusKey: string;
  readonly seen:
    | { readonly kind: "blind"; readonly why: string }
    | { readonly kind: "absent" }
    /** Its file is gone from under what backs onto it. */
    | { readonly kind: "lost"; readonly path: string; readonly needing: readonly string[] }
    | { readonly kind: "present"; readonly imported: ImportedImage };
  /** The build that makes it there. */
  readonly build?: ImageBuild;
  /** One that made it, and measured it then. */
  readonly made?: ImageBuild;
}

export interface LayerLook {
  readonly nowMs: number;
  readonly parent:
    | { readonly kind: "missing"; readonly name: string }
    | { readonly kind: "waiting"; readonly name: string; readonly why: string }
    | { readonly kind: "known"; readonly name: string; readonly digest: string };
  /** Known with the parent's. */
  readonly digest?: string;
  readonly users: readonly LayerUser[];
}

interface Summary {
  readonly phase: NonNullable<VMImageStatus["phase"]>;
  readonly reason: string;
  /** For the condition: does not change from second to second. */
  readonly message: string;
  readonly detail?: string;
  readonly progress?: NonNullable<VMImageStatus["importProgress"]>;
}

export function layerImageStatus(image: VMImage, look: LayerLook): VMImageStatus {
  const old = image.status ?? {};
  const summary = summaryOf(image, look);
  const isReady = summary.phase === "Ready";
  const now = new Date(look.nowMs);
  const observed = observedGenerationOf(image);
  const providerStatus = entriesOf(image, look);
  const available = Object.keys(providerStatus).filter((key) => providerStatus[key]?.available === true);
  const present = look.users.flatMap(({ seen }) => (seen.kind === "present" ? [seen.imported] : []))[0];
  const digest = look.digest ?? old.digest;
  const virtualSize = present === undefined ? old.virtualSize : formatQuantity(present.virtualSizeBytes);
  const prepared = isReady && old.ready !== true ? formatTime(now) : old.lastPrepareTime;
  return {
    ready: isReady,
    phase: summary.phase,
    message: summary.detail === undefined ? summary.message : `${summary.message}: ${summary.detail}`,
    source: "layer",
    format: "qcow2",
    ...(digest === undefined ? {} : { digest }),
    ...(virtualSize === undefined ? {} : { virtualSize }),
    ...sizeOf(image, look),
    ...(available.length === 0 ? {} : { availableOn: available.toSorted() }),
    ...(prepared === undefined ? {} : { lastPrepareTime: prepared }),
    ...(summary.progress === undefined ? {} : { importProgress: summary.progress }),
    ...(Object.keys(providerStatus).length === 0 ? {} : { providerStatus }),
    ...observed,
    conditions: setCondition(
      old.conditions,
      {
        type: "Ready",
        status: isReady ? "True" : "False",
        reason: summary.reason,
        message: summary.message,
        ...observed,
      },
      { now },
    ),
  };
}

/** As the build that made it told; what is known of the same layer stays known. */
function sizeOf(image: VMImage, { digest, users }: LayerLook): Pick<VMImageStatus, "size" | "checksum"> {
  const made = users.find((user) => user.made !== undefined)?.made?.status;
  const { size, checksum } =
    made === undefined ? (image.status ?? {}) : { size: made.size, checksum: made.contentDigest };
  if (made === undefined && digest !== undefined && image.status?.digest !== digest) return {};
  return { ...(size === undefined ? {} : { size }), ...(checksum === undefined ? {} : { checksum }) };
}

function summaryOf(image: VMImage, look: LayerLook): Summary {
  const { users, parent, digest } = look;
  if (users.length === 0) {
    const available = image.status?.availableOn ?? [];
    const isCurrent = digest === undefined || image.status?.digest === digest;
    return isCurrent && available.length > 0
      ? { phase: "Ready", reason: "Prepared", message: `Available on ${available.join(", ")}` }
      : { phase: "Pending", reason: "NotUsed", message: "Built as soon as a VirtualMachine or an ImageBuild wants it" };
  }
  const name = `VMImage "${parent.name}"`;
  switch (parent.kind) {
    case "missing":
      return { phase: "Failed", reason: "ParentNotFound", message: `Its parent, ${name}, does not exist` };
    case "waiting":
      return { phase: "Pending", reason: "WaitingForParent", message: `Waits for ${name}`, detail: parent.why };
    case "known":
      return knownSummary(users);
  }
  throw new TypeError(`Unknown parent: ${JSON.stringify(parent satisfies never)}`);
}

function knownSummary(users: readonly LayerUser[]): Summary {
  const lacking = users.filter(({ seen }) => seen.kind === "absent");
  const [first] = lacking;
  if (first !== undefined) return buildSummary(lacking.find(({ build }) => build?.status?.phase === "Failed") ?? first);
  for (const { statusKey, seen } of users) {
    if (seen.kind === "lost") return { phase: "Failed", reason: "FileLost", message: lostMessage(statusKey, seen) };
    if (seen.kind === "blind") return { phase: "Pending", reason: "ProviderNotReady", message: seen.why };
  }
  const names = users.map((user) => user.statusKey).toSorted();
  return { phase: "Ready", reason: "Prepared", message: `Available on ${names.join(", ")}` };
}

function lostMessage(
  statusKey: string,
  { path, needing }: { readonly path: string; readonly needing: readonly string[] },
): string {
  return `${path} is gone from ${statusKey}, and ${needing.join(", ")} back${needing.length === 1 ? "s" : ""} onto it: put it back with viv images restore, or delete what backs onto it, and it is built anew`;
}

function buildSummary({ statusKey, build }: LayerUser): Summary {
  if (build === undefined) return { phase: "Pending", reason: "Pending", message: `About to be built on ${statusKey}` };
  const { phase, message, percentage, eta, startedAt } = build.status ?? {};
  const name = `ImageBuild "${build.metadata.name}"`;
  switch (phase) {
    case "Failed":
      return {
        phase: "Failed",
        reason: "BuildFailed",
        message: `${name} failed: ${message ?? ""}; try again with viv builds retry`,
      };
    case "Cancelled":
      return {
        phase: "Failed",
        reason: "BuildCancelled",
        message: `${name} was cancelled; try again with viv builds retry`,
      };
    case undefined:
    case "Queued":
    case "Checking":
    case "WaitingForParent":
      return {
        phase: "Pending",
        reason: "Queued",
        message: `${name} is to build it on ${statusKey}`,
        detail: message ?? "queued",
      };
    case "Starting":
    case "Building":
    case "ShuttingDown":
    case "Sealing":
    case "Succeeded":
      return {
        phase: "Importing",
        reason: "Building",
        message: `${name} builds it on ${statusKey}`,
        ...(message === undefined ? {} : { detail: message }),
        progress: {
          ...(percentage === undefined ? {} : { percentage }),
          ...(eta === undefined ? {} : { eta }),
          ...(startedAt === undefined ? {} : { startTime: startedAt }),
        },
      };
  }
  throw new TypeError(`Unknown phase: ${JSON.stringify(phase satisfies never)}`);
}

type Entries = NonNullable<VMImageStatus["providerStatus"]>;

function entriesOf(image: VMImage, look: LayerLook): Entries {
  const entries: Entries = {};
  const isSame = look.digest === undefined || image.status?.digest === look.digest;
  // Where it was made once it stays until it is deleted, also when nothing there uses it any more.
  for (const [key, entry] of Object.entries(image.status?.providerStatus ?? {})) {
    if (isSame && entry.available) entries[key] = entry;
  }
  const at = formatTime(new Date(look.nowMs));
  for (const { statusKey, seen, made } of look.users) {
    const before = image.status?.providerStatus?.[statusKey];
    switch (seen.kind) {
      case "present": {
        const { id, path } = seen.imported;
        const isKnown = before?.available === true && before.id === id;
        const checksum = made?.status?.contentDigest ?? before?.checksum;
        const entry = isKnown ? before : { available: true, id, path, lastUpdated: at };
        entries[statusKey] = { ...entry, ...(checksum === undefined ? {} : { checksum }) };
        break;
      }
      case "absent":
        entries[statusKey] = { available: false };
        break;
      case "lost":
        // Where it lay, and what it was, is needed to put it back.
        entries[statusKey] = { ...before, available: false, message: lostMessage(statusKey, seen) };
        break;
      case "blind":
        // What could not be looked at is still there, as far as anybody knows: its removal must find it.
        entries[statusKey] ??= { available: false, message: seen.why };
        break;
    }
  }
  return entries;
}
