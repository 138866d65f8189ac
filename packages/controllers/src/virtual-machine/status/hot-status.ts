// What the conditions of disks and of interfaces say in the same words: what failed, and what the guest does not let go of. Pure.

import { formatTime } from "@vivarium/api";
import type { Condition } from "@vivarium/api";
import { detachDeadlineMs } from "../plan/hot-plan.ts";
import type { StepFailure } from "../memory.ts";

export type Judgement = Pick<Condition, "status" | "reason" | "message">;

export interface HotReport {
  readonly detachAskedAtMs: ReadonlyMap<string, number>;
  readonly failures: readonly StepFailure[];
  readonly nowMs: number;
}

export function no(reason: string, message: string): Judgement {
  return { status: "False", reason, message };
}

export const notComparable: Judgement = {
  status: "Unknown",
  reason: "NotComparable",
  message: "What the VM shall be cannot be resolved now",
};

export function failedStep({ failures }: HotReport): Judgement | undefined {
  const [failure] = failures;
  return failure && no(failure.error.code, failureText(failure));
}

export function failureText({ error, retryAtMs }: StepFailure): string {
  return `${error.message}; tried again at ${timeOf(retryAtMs)}`;
}

/** `going`: devices that are to be let go, by what they are remembered by, and their names. `help`: what somebody could do in the guest. */
export function detaching(
  going: readonly { readonly key: string; readonly name: string }[],
  { detachAskedAtMs, nowMs, what, help }: HotReport & { readonly what: string; readonly help: string },
): Judgement | undefined {
  if (going.length === 0) return undefined;
  const askedAtMs = (key: string): number => detachAskedAtMs.get(key) ?? nowMs;
  const late = going.filter(({ key }) => askedAtMs(key) + detachDeadlineMs <= nowMs);
  if (late.length === 0) return no("Detaching", `The guest was asked to let go of ${namesOf(going)}`);
  const sinceMs = Math.min(...late.map(({ key }) => askedAtMs(key)));
  return no(
    "DetachRefused",
    `The guest has not let go of ${namesOf(late)} since ${timeOf(sinceMs)}: ${help}. It is asked again every minute; without that the ${what} goes when the VM is next off`,
  );
}

function namesOf(devices: readonly { readonly name: string }[]): string {
  return devices.map(({ name }) => name).join(", ");
}

function timeOf(ms: number): string {
  return formatTime(new Date(ms));
}
