// The policy of a VirtualMachine that is an adopted domain: it is watched, and powered as declared; it is never made, defined anew or
// undefined, and deleting the object lets go of it. Pure.
//
//   unbound ──RecordAdoption, Adopt──► off ◄──Start, RequestShutdown, ForceOff──► running
//   deleted: Release (or DestroyAdopted where spec.adopt.deletionPolicy says so), RemoveFinalizer

import { bindHost, decidePresent, foreignLookMs } from "./plan.ts";
import { isStopUnrecorded } from "./restart.ts";
import { blocked, settle } from "./step.ts";
import type { AdoptionWish, PlanInput, Problem } from "./input.ts";
import type { Step } from "./step.ts";

export function decideAdopted(input: PlanInput, wish: AdoptionWish): Step {
  if (input.isDeleting) return decideRelease(input, wish);
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  const { seen, provider, nowMs } = input;
  if (wish.problem !== undefined) return settle({ kind: "Blocked", problems: [wish.problem] });
  if (provider === undefined) return blocked(input.definition);
  if (input.hostChoice !== undefined) return bindHost(input.hostChoice);
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", error: seen.error });
    case "absent":
      if (isStopUnrecorded(input)) return { kind: "RecordStop", power: "absent", reason: "undefined" };
      return refused("DomainNotFound", `The adopted domain ${wish.uuid} is not there, and is not made anew`, nowMs);
    case "foreign":
      return refused("DomainNotFree", `Domain "${seen.domain}" cannot be adopted: ${seen.reason}`, nowMs);
    case "unbound":
      if (input.record.adoptedUuid !== wish.uuid) return { kind: "RecordAdoption", provider, uuid: wish.uuid };
      return { kind: "Adopt" };
    case "present":
      // The mark is there, and the status that told of it is not: it came from a backup.
      if (input.record.adoptedUuid !== wish.uuid) return { kind: "RecordAdoption", provider, uuid: wish.uuid };
      return decidePresent(input, seen);
  }
}

function decideRelease(input: PlanInput, wish: AdoptionWish): Step {
  const { seen, record, done } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  if (input.isForcedDelete && (input.provider === undefined || seen.kind === "unavailable")) {
    return { kind: "RemoveFinalizer" };
  }
  // The mark is written after the record.
  if (record.adoptedUuid === undefined) return { kind: "RemoveFinalizer" };
  if (input.provider === undefined) {
    const message = `Provider "${record.madeOn ?? ""}", on which this VM was adopted, does not exist`;
    return settle({ kind: "DeleteBlocked", problem: { reason: "ProviderNotFound", message } });
  }
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "DeleteUnavailable", error: seen.error });
    case "present":
      if (done.has("Release")) return { kind: "RemoveFinalizer" };
      return wish.deletionPolicy === "Delete" ? { kind: "DestroyAdopted" } : { kind: "Release" };
    case "unbound":
    case "foreign":
    case "absent":
      return { kind: "RemoveFinalizer" };
  }
}

function refused(reason: Problem["reason"], message: string, nowMs: number): Step {
  return settle({ kind: "Blocked", problems: [{ reason, message }] }, nowMs + foreignLookMs);
}
