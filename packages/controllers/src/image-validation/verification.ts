// What the status of a VMImage says after its files were read. Pure. A damaged file stays what it is: it is for people to replace it, and
// another validation to see that they did.

import { findCondition, setCondition } from "@vivarium/api";
import type { VMImage, VMImageStatus } from "@vivarium/api";
import { observedGenerationOf } from "../verdict.ts";
import type { Verdict } from "../verdict.ts";

type Verifications = NonNullable<VMImageStatus["verification"]>;
export type Verification = Verifications[string];

/** By the key in status.providerStatus. */
export type Findings = Readonly<Record<string, Verification>>;

export interface Validation {
  /** Value of the annotation. */
  readonly request: string;
  /** Undefined while the files are read. */
  readonly findings?: Findings;
}

/** What the file on a provider has to be; undefined where nobody has written it down. */
export function expectedDigestOf({ spec, status }: VMImage, key: string): string | undefined {
  if (spec.source?.layer === undefined) return status?.digest;
  const isOnly = Object.keys(status?.providerStatus ?? {}).length === 1;
  return status?.providerStatus?.[key]?.checksum ?? (isOnly ? status?.checksum : undefined);
}

/** Where there is something to read: what was found damaged may be whole again. */
export function placesToRead({ status }: VMImage): readonly string[] {
  const entries = Object.entries(status?.providerStatus ?? {});
  return entries.flatMap(([key, { available }]) => (available || isBad(status?.verification?.[key]) ? [key] : []));
}

/** `status` is what the rest of the controller says about the image. */
export function withVerification(
  image: VMImage,
  status: VMImageStatus,
  { validation, nowMs }: { readonly validation: Validation | undefined; readonly nowMs: number },
): VMImageStatus {
  const old = image.status ?? {};
  const isSame = status.digest === old.digest;
  const findings = validation?.findings;
  const known = isSame ? carried(old, status) : {};
  const verification = findings === undefined ? known : { ...findings, ...stillDamaged(known, findings) };
  const providerStatus = entriesOf(image, status, { verification, isFresh: findings !== undefined });
  const available = Object.keys(providerStatus).filter((key) => providerStatus[key]?.available === true);
  const request = findings === undefined ? old.lastValidationRequest : validation?.request;
  const damaged = Object.values(verification).find(({ outcome }) => outcome === "Damaged");
  const { availableOn: _, providerStatus: __, conditions = [], ...rest } = status;
  const whole: VMImageStatus = {
    ...rest,
    ...(available.length === 0 ? {} : { availableOn: available.toSorted() }),
    ...(Object.keys(providerStatus).length === 0 ? {} : { providerStatus }),
    ...(Object.keys(verification).length === 0 ? {} : { verification }),
    ...(request === undefined ? {} : { lastValidationRequest: request }),
    conditions: verifiedCondition(image, conditions, { validation, isSame, nowMs }),
  };
  return damaged === undefined ? whole : notReady(image, whole, { message: damaged.message, nowMs });
}

/** What is there again after it was missing was brought anew, and is as yet unread. */
function carried(old: VMImageStatus, status: VMImageStatus): Verifications {
  return Object.fromEntries(
    Object.entries(old.verification ?? {}).filter(
      ([key, { outcome }]) => outcome !== "Missing" || status.providerStatus?.[key]?.available !== true,
    ),
  );
}

/** What cannot be read now is as damaged as it was. */
function stillDamaged(known: Verifications, findings: Findings): Verifications {
  return Object.fromEntries(
    Object.entries(known).filter(([key, { outcome }]) => outcome === "Damaged" && findings[key]?.outcome === "Unknown"),
  );
}

function entriesOf(
  image: VMImage,
  status: VMImageStatus,
  { verification, isFresh }: { readonly verification: Findings; readonly isFresh: boolean },
): NonNullable<VMImageStatus["providerStatus"]> {
  const entries = { ...status.providerStatus };
  for (const [key, found] of Object.entries(verification)) {
    const before = image.status?.providerStatus?.[key];
    if (found.outcome === "Intact" && before?.available === false) {
      const { message: _, ...whole } = before;
      entries[key] ??= { ...whole, available: true, lastUpdated: found.time };
    }
    const isKept = found.outcome === "Damaged" || (isFresh && found.outcome === "Missing");
    if (!isKept) continue;
    const isKnown = before?.available === false && before.message === found.message;
    const entry = isKnown ? before : { ...before, ...entries[key], lastUpdated: found.time };
    entries[key] = { ...entry, available: false, message: found.message };
  }
  return entries;
}

function notReady(
  image: VMImage,
  status: VMImageStatus,
  { message, nowMs }: { readonly message: string; readonly nowMs: number },
): VMImageStatus {
  // As if it had never been said to be ready: the times of a change are those of the condition that was there.
  const { lastPrepareTime: _, importProgress: __, ...rest } = status;
  const before = findCondition(image.status?.conditions, "Ready");
  const others = (status.conditions ?? []).filter(({ type }) => type !== "Ready");
  const prepared = image.status?.lastPrepareTime;
  const condition = { type: "Ready", status: "False", reason: "Damaged", message } as const;
  return {
    ...rest,
    ready: false,
    phase: "Failed",
    message,
    ...(prepared === undefined ? {} : { lastPrepareTime: prepared }),
    conditions: setCondition(
      before === undefined ? others : [before, ...others],
      { ...condition, ...observedGenerationOf(image) },
      { now: new Date(nowMs) },
    ),
  };
}

function verifiedCondition(
  image: VMImage,
  conditions: NonNullable<VMImageStatus["conditions"]>,
  {
    validation,
    isSame,
    nowMs,
  }: { readonly validation: Validation | undefined; readonly isSame: boolean; readonly nowMs: number },
): NonNullable<VMImageStatus["conditions"]> {
  if (validation === undefined) return isSame ? conditions : conditions.filter(({ type }) => type !== "Verified");
  const verdict = validation.findings === undefined ? verifying : verdictOf(validation.findings);
  const condition = { type: "Verified", ...verdict, ...observedGenerationOf(image) };
  return setCondition(conditions, condition, { now: new Date(nowMs) });
}

const verifying: Verdict = { status: "Unknown", reason: "Verifying", message: "Its files are being read" };

function verdictOf(findings: Findings): Verdict {
  const all = Object.values(findings);
  const first = (outcome: Verification["outcome"]) => all.find((each) => each.outcome === outcome);
  const bad = first("Damaged") ?? first("Missing");
  if (bad !== undefined) return { status: "False", reason: bad.outcome, message: bad.message };
  const unknown = first("Unknown");
  if (unknown !== undefined) return { status: "Unknown", reason: "NotVerifiable", message: unknown.message };
  if (all.length === 0)
    return { status: "Unknown", reason: "NotThere", message: "No provider has it: nothing to read" };
  const places = Object.keys(findings).toSorted().join(", ");
  return { status: "True", reason: "Intact", message: `Read on ${places}: every byte is as it was brought or made` };
}

export function isBad(found: Verification | undefined): found is Verification {
  return found?.outcome === "Damaged" || found?.outcome === "Missing";
}
