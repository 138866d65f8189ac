// What a VM's status says about a change of its size: on its way, not followed by the guest, or refused. Pure.

import { formatTime } from "@vivarium/api";
import type { Condition } from "@vivarium/api";
import type { VmDefinition } from "@vivarium/provider";
import { humanSize } from "../../human-size.ts";
import type { StepFailure } from "../memory.ts";
import type { Resolved, Seen } from "../plan/input.ts";
import { balloonDeadlineMs } from "../plan/size-plan.ts";

export interface SizeReport {
  readonly definition: Resolved<VmDefinition>;
  readonly memoryAskedAtMs: number | undefined;
  readonly failures: readonly StepFailure[];
  readonly nowMs: number;
}

type Present = Extract<Seen, { kind: "present" }>;

export function sizeCondition(
  seen: Present,
  { definition, memoryAskedAtMs, failures, nowMs }: SizeReport,
): Pick<Condition, "status" | "reason" | "message"> {
  const [failure] = failures;
  if (failure !== undefined) {
    const message = `${failure.error.message}; tried again at ${formatTime(new Date(failure.retryAtMs))}`;
    return { status: "False", reason: failure.error.code, message };
  }
  const wanted = definition.ok ? definition.value.memoryBytes : seen.memoryBytes;
  if (memoryAskedAtMs !== undefined && wanted !== seen.memoryBytes && seen.power === "running") {
    const has = `The guest has ${humanSize(seen.memoryBytes)} and shall have ${humanSize(wanted)}`;
    return nowMs - memoryAskedAtMs < balloonDeadlineMs
      ? { status: "True", reason: "MovingMemory", message: `${has}: its balloon driver was asked` }
      : {
          status: "True",
          reason: "GuestNotFollowing",
          message: `${has}: its balloon driver (virtio_balloon) has not done so. It is asked again every minute`,
        };
  }
  return { status: "False", reason: "Idle", message: "Nothing is being changed" };
}
