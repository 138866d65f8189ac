// Whether a VM is ready, and if not, why: the one sentence that users read first. Pure.

import type { GuestAddress, ProviderErrorCode } from "@vivarium/provider";
import type { Verdict } from "../../verdict.ts";
import type { Seen } from "../plan/input.ts";
import type { VmRecord } from "../record.ts";
import { rankOf } from "./problem-ranks.ts";
import type { StatusInput } from "./status.ts";
import { timeOf } from "./time-of.ts";
import { workingReady } from "./working.ts";

export function readyOf(input: StatusInput): Verdict {
  const { situation, record, seen, nowMs } = input;
  const no = (reason: string, message: string): Verdict => ({ status: "False", reason, message });
  switch (situation.kind) {
    case "Running": {
      const [first] = input.addresses;
      const hasNics = seen.kind === "present" && seen.nics.length > 0;
      const nowhere = hasNics ? "at no known address" : "without network interfaces";
      const at = first === undefined ? nowhere : `at ${first.ip} (${sourceNames[first.source]})`;
      return { status: "True", reason: "Running", message: `Running ${at}` };
    }
    case "WaitingForAddress":
      return no("WaitingForAddress", waitingMessage(record, seen, nowMs));
    case "Blocked": {
      const [first] = [...situation.problems].sort((a, b) => rankOf(a) - rankOf(b));
      const message = situation.problems.map((problem) => problem.message).join("; ");
      return no(first?.reason ?? "Blocked", message);
    }
    case "NameConflict":
      return no(
        "NameConflict",
        `Domain "${situation.domain}" on the hypervisor was not made for this VM (${situation.reason}) and is left alone: rename or remove it, or give this VM another name`,
      );
    case "Unavailable":
      return {
        // A VM that was never made is not ready, whatever the hypervisor would say.
        status: record.madeOn === undefined ? "False" : "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot look at the hypervisor: ${textOf(situation.error)}`,
      };
    case "StepFailed":
      return no(reasonOfCode[situation.error.code], textOf(situation.error));
    case "Working":
      return workingReady(situation.step, seen);
    case "Stopped": {
      const { lastStop } = record;
      const kept = situation.hasSavedMemory ? ". Its memory is saved: it goes on from there when it is On again" : "";
      return no("Stopped", `Off, as declared${kept}${lastStop === undefined ? "" : `. ${lastStop.message}`}`);
    }
    case "Suspended":
      return no(
        "Suspended",
        "Off with its memory saved to disk, as declared: it goes on from there when it is On again",
      );
    case "Suspending":
      return no("Suspending", "Its memory is being saved to disk");
    case "CrashKept":
      return no(
        "Crashed",
        "The guest's kernel panicked, and it is kept for a look (spec.lifecycle.crashPolicy Preserve): restart the VM, or power it off",
      );
    case "PausedAsDeclared":
      return no("Paused", "Its CPUs are halted, as declared");
    case "StartsLater":
      return no(
        "StoppedUnexpectedly",
        `${record.lastStop?.message ?? "Off"}; it is started again at ${timeOf(situation.atMs)}`,
      );
    case "ShuttingDown":
      return no(
        "ShuttingDown",
        situation.isForced
          ? `The guest was asked to shut down; the plug is pulled at ${timeOf(situation.deadlineMs)} if it has not`
          : `The guest was asked to shut down, to be started again as declared; it is left running at ${timeOf(situation.deadlineMs)} if it has not`,
      );
    case "GuestStopping":
      return no("GuestStopping", "The guest is shutting down");
    case "Paused":
      return no(
        situation.power === "paused" ? "PausedOnHost" : "GuestAsleep",
        `The domain is ${situation.power} (hypervisor: ${situation.reason}) and was not by Vivarium, which does not resume it: resume it on the host, or restart the VM`,
      );
    case "DeleteBlocked":
      return no(
        situation.problem.reason,
        `${situation.problem.message}: create it again so that the VM can be removed there, or set the annotation virtrigaud.io/force-delete: "true" to leave what is there behind`,
      );
    case "DeleteHeld":
      return no(
        "SnapshotsKept",
        `Cannot delete the VM while snapshots are there that shall outlive it (retentionPolicy.deleteOnVMDelete is false), or that clones back onto: ${situation.snapshots.join(", ")}`,
      );
    case "DeleteUnavailable":
      return {
        status: "Unknown",
        reason: "ProviderUnavailable",
        message: `Cannot delete the VM while the hypervisor is out of reach: ${textOf(situation.error)}`,
      };
    case "Gone":
      return no("Deleted", "Deleted");
  }
}

const reasonOfCode: Readonly<Record<ProviderErrorCode, string>> = {
  NotFound: "NotFoundOnProvider",
  AlreadyExists: "NameConflict",
  InvalidSpec: "InvalidSpec",
  Unsupported: "Unsupported",
  Conflict: "ConflictOnProvider",
  NoSpace: "NoSpaceOnProvider",
  Unavailable: "ProviderUnavailable",
  Unauthorized: "ProviderUnauthorized",
  Timeout: "ProviderTimeout",
  Internal: "ProviderError",
};

const sourceNames: Readonly<Record<GuestAddress["source"], string>> = {
  lease: "DHCP lease",
  agent: "guest agent",
  arp: "ARP",
};

const silentAfterMs = 30_000;

function waitingMessage(record: VmRecord, seen: Seen, nowMs: number): string {
  const sinceMs = record.runningSinceMs ?? nowMs;
  if (nowMs - sinceMs < silentAfterMs) return "Running; waiting for an address from DHCP lease, guest agent or ARP";
  const agent =
    seen.kind === "present" && seen.agentConnected ? "guest agent (connected)" : "guest agent (not connected)";
  const retried = record.bootRetry === "done" ? "; the boot was retried once" : "";
  return `Running since ${timeOf(sinceMs)} and no address yet: DHCP lease, ${agent} and ARP are silent${retried}. See the serial console`;
}

/** The message, and those of its causes that say more. */
function textOf(error: Error): string {
  const parts = [error.message];
  let cause: unknown = error.cause;
  for (let depth = 0; cause instanceof Error && depth < 4; depth++) {
    const { message } = cause;
    if (message !== "" && !parts.some((part) => part.includes(message))) parts.push(message);
    cause = cause.cause;
  }
  return parts.join(": ");
}
