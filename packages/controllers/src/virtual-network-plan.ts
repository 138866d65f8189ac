// The VirtualNetwork policy: from what is declared, remembered and seen, the ONE step that comes next. Pure.
//
//   adopted: seen ─► reported                                               deleted ─► let go of
//   made:    Check ─► RecordPlacement ─► Create ─► (Start, Update, Reconnect)*    deleted ─► Remove (once nobody uses it) ─► let go of
//
// A network is held while a machine's spec names it, adopted or not; a made one while any domain is plugged in, ours or not.

import type {
  NetworkDefinition,
  NetworkObservation,
  NetworkRef,
  NetworkSettings,
  NetworkUser,
} from "@vivarium/provider";
import type { Unavailable } from "./or-unavailable.ts";
import type { PlacedSituation } from "./placed/placed-situation.ts";
import { settle } from "./steps/step.ts";
import type { FinalizerStep, Settle } from "./steps/step.ts";

export interface NetworkProblem {
  readonly reason: string;
  readonly message: string;
}

type MadeRef = Extract<NetworkRef, { kind: "made" }>;

export type NetworkTarget =
  | { readonly kind: "adopt"; readonly ref: NetworkRef }
  | {
      readonly kind: "create";
      readonly ref: MadeRef;
      readonly definition: NetworkDefinition;
      /** Addresses that are not kept, and why. */
      readonly leaseProblems: readonly string[];
    }
  /** `ref` where there may be a network none the less. */
  | { readonly kind: "problem"; readonly problem: NetworkProblem; readonly ref?: NetworkRef };

export interface NetworkInput {
  readonly nowMs: number;
  readonly isDeleting: boolean;
  readonly hasFinalizer: boolean;
  readonly isForcedDelete: boolean;
  readonly target: NetworkTarget;
  /** Absent: there is none, or none can be told; `target` says why where that matters. */
  readonly provider?: string;
  /** Where something was, or may have been, made. */
  readonly madeOn?: string;
  readonly seen: NetworkObservation | Unavailable;
  /** VirtualMachine objects that name it. */
  readonly machines: readonly string[];
  /** Domains that are plugged in, by the names that people know them by. */
  readonly users: readonly string[];
  readonly done: ReadonlySet<string>;
}

export type NetworkStep =
  | FinalizerStep
  | { readonly kind: "Check"; readonly definition: NetworkDefinition }
  | { readonly kind: "RecordPlacement"; readonly provider: string }
  | { readonly kind: "Create"; readonly definition: NetworkDefinition }
  | { readonly kind: "Start"; readonly ref: NetworkRef }
  | { readonly kind: "Update"; readonly definition: NetworkDefinition }
  /** Plugs machines in again that were when the network was stopped. */
  | { readonly kind: "Reconnect"; readonly ref: NetworkRef }
  | { readonly kind: "Remove"; readonly ref: MadeRef }
  | Settle<PlacedSituation>;

/** Leases come and go without an event. */
export const lookEveryMs = 30_000;
const retryMs = 10_000;

export function decideNetwork(input: NetworkInput): NetworkStep {
  const { target, seen, nowMs, provider, done } = input;
  if (input.isDeleting) return decideDelete(input);
  if (target.kind === "problem") return settle({ kind: "Problem", problem: target.problem });
  if (!input.hasFinalizer) return { kind: "AddFinalizer" };
  switch (seen.kind) {
    case "unavailable":
      return seen.error.code === "Unsupported"
        ? problem("Unsupported", seen.error.message)
        : settle({ kind: "Unavailable", error: seen.error }, nowMs + retryMs);
    case "foreign": {
      const message = `A network of that name on the hypervisor was not made for this object (${seen.reason}) and is left alone: adopt it, or choose another name`;
      return problem("NameConflict", message, nowMs + lookEveryMs);
    }
    case "absent": {
      if (target.kind === "adopt") {
        return problem("NetworkNotFound", `The hypervisor has no network "${target.ref.name}"`, nowMs + retryMs);
      }
      if (!done.has("Check")) return { kind: "Check", definition: target.definition };
      if (provider !== undefined && input.madeOn !== provider) return { kind: "RecordPlacement", provider };
      return { kind: "Create", definition: target.definition };
    }
    case "present":
      break;
  }
  if (target.kind === "adopt") {
    // Somebody stopped it, and it is theirs; the machines are ours.
    return seen.isActive ? connected(input, seen.users, target.ref) : settle({ kind: "Inactive" }, nowMs + retryMs);
  }
  const { definition, ref } = target;
  const changed = changedShape(definition, seen.shape);
  if (changed.length > 0) {
    const message = `${changed.join("; ")}: these are for good. Delete the network and make it anew, or put them back`;
    return seen.isActive ? problem("InvalidSpec", message) : { kind: "Start", ref };
  }
  if (!seen.isDefined) return { kind: "Create", definition };
  if (!seen.isActive) return { kind: "Start", ref };
  if (!isSameSettings(definition.settings, seen.settings)) {
    if (!done.has("Update")) return { kind: "Update", definition };
    const message = "The hypervisor took the addresses and names, and shows others";
    return problem("NotApplied", message, nowMs + lookEveryMs);
  }
  return connected(input, seen.users, ref);
}

function connected({ done, nowMs }: NetworkInput, users: readonly NetworkUser[], ref: NetworkRef): NetworkStep {
  const names = users.filter(({ isCutOff }) => isCutOff).map(({ name }) => name);
  if (names.length === 0) return settle({ kind: "Ready" }, nowMs + lookEveryMs);
  if (!done.has("Reconnect")) return { kind: "Reconnect", ref };
  const message = `These are cut off since the network was stopped, and could not be plugged in again: ${names.join(", ")}`;
  return problem("MachinesCutOff", message, nowMs + retryMs);
}

function decideDelete(input: NetworkInput): NetworkStep {
  const { seen, nowMs, users } = input;
  const { ref } = input.target;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  if (input.machines.length > 0) return settle({ kind: "InUse", users: input.machines }, nowMs + retryMs);
  // Nothing was made, or there is nothing left to ask.
  if (input.madeOn === undefined || ref?.kind !== "made" || input.isForcedDelete) return { kind: "RemoveFinalizer" };
  switch (seen.kind) {
    case "unavailable":
      return settle({ kind: "Unavailable", error: seen.error }, nowMs + retryMs);
    case "absent":
    case "foreign":
      return { kind: "RemoveFinalizer" };
    case "present":
      return users.length > 0 ? settle({ kind: "InUse", users }, nowMs + retryMs) : { kind: "Remove", ref };
  }
}

/** In the words of the spec. */
function changedShape(
  wanted: NetworkDefinition,
  has: Extract<NetworkObservation, { kind: "present" }>["shape"],
): readonly string[] {
  const fields: readonly (readonly [string, string, string])[] = [
    ["mode", wanted.mode, has.mode],
    // Where none is named the hypervisor chose one.
    ["bridge", wanted.bridge ?? has.bridge ?? "", has.bridge ?? ""],
    ["vlan", String(wanted.vlan ?? "none"), String(has.vlan ?? "none")],
    ["trunk", sorted(wanted.trunk), sorted(has.trunk)],
    ["domain", wanted.domain ?? "none", has.domain ?? "none"],
    ["subnets", sorted(wanted.subnets), sorted(has.subnets)],
  ];
  return fields.flatMap(([field, want, seen]) =>
    want === seen ? [] : [`spec.create.${field} is ${want}, the network has ${seen}`],
  );
}

/** In whatever order. */
function isSameSettings(a: NetworkSettings, b: NetworkSettings): boolean {
  const text = ({ isAutostarted, ranges, leases, dnsHosts }: NetworkSettings): string =>
    JSON.stringify([
      isAutostarted,
      ranges.map(({ start, end }) => `${start} ${end}`).toSorted(),
      leases.map(({ mac, ip, hostname = "" }) => `${mac} ${ip} ${hostname}`).toSorted(),
      dnsHosts.map(({ ip, names }) => [ip, ...names.toSorted()].join(" ")).toSorted(),
    ]);
  return text(a) === text(b);
}

function sorted(values: readonly (string | number)[] = []): string {
  return values.length === 0 ? "none" : values.map(String).toSorted().join(", ");
}

function problem(reason: string, message: string, lookAgainAtMs?: number): NetworkStep {
  return settle({ kind: "Problem", problem: { reason, message } }, lookAgainAtMs);
}
