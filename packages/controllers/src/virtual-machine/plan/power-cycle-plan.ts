// Takes a running VM off and on again for what only that changes, where its policy allows it. Pure. That the guest was asked is recorded: from
// then on the end of its run, or of its time, is waited for, whatever the spec says meanwhile. The start that follows is that of any VM that
// shall be on.

import { createHash } from "node:crypto";
import { fieldsOf } from "../applied.ts";
import type { PlanInput, Seen } from "./input.ts";
import { pendingFields } from "./pending-fields.ts";
import type { PendingInput } from "./pending-fields.ts";
import { askToShutDown } from "./shutdown-plan.ts";
import type { Step } from "./step.ts";

/** `spec.lifecycle.reconfigurePolicy`. */
export type PowerCyclePolicy = "Manual" | "Graceful" | "Force";

export interface PowerCycleRecord {
  /** What the VM shall be: another wish may ask again. */
  readonly for: string;
  /** `refused`: the guest did not shut down in its time, and its plug was not to be pulled. `done`: it went off. */
  readonly state: "asked" | "refused" | "done";
}

type Present = Extract<Seen, { kind: "present" }>;

/** The guest was asked: undefined when it was not, or no longer counts. */
export function continuePowerCycle(input: PlanInput): Step | undefined {
  const { record, nowMs, gracefulTimeoutMs, powerCyclePolicy } = input;
  const { powerCycle, shutdownRequestedAtMs } = record;
  if (powerCycle?.state !== "asked" || shutdownRequestedAtMs === undefined) return undefined;
  if (nowMs < shutdownRequestedAtMs + gracefulTimeoutMs)
    return askToShutDown(input, { shutdownRequestedAtMs, isForced: powerCyclePolicy === "Force" });
  if (powerCyclePolicy === "Force") return { kind: "ForceOff", why: "Deadline" };
  return { kind: "RecordPowerCycle", powerCycle: { ...powerCycle, state: "refused" } };
}

/** Nothing else is to be done with the running VM. `isChanging`: what could still change while it runs is not settled. */
export function decidePowerCycle(
  input: PlanInput,
  seen: Present,
  { isChanging }: { readonly isChanging: boolean },
): Step | undefined {
  const { powerCyclePolicy, definition, record, power, adopted, diskSizes, hotDisks, done } = input;
  if (powerCyclePolicy === "Manual" || power !== "On" || seen.power !== "running" || isChanging) return undefined;
  if (adopted !== undefined || !definition.ok || input.isBeingSnapshotted === true) return undefined;
  const canGrowOnline = hotDisks !== undefined;
  const wanted = { record, definition: definition.value, sizes: diskSizes, canGrowOnline };
  if (pendingFields(wanted, seen).length === 0) return undefined;
  const key = powerCycleKey(wanted, powerCyclePolicy);
  // Once for each wish: what is still pending afterwards is not cured by another try.
  if (record.powerCycle?.for === key) return undefined;
  // Before the guest is asked: a VM that could not be started again is left running.
  if (!done.has("Check")) return { kind: "Check", definition: definition.value };
  return { kind: "RecordPowerCycle", powerCycle: { for: key, state: "asked" } };
}

function powerCycleKey(
  { definition, sizes }: Pick<PendingInput, "definition" | "sizes">,
  policy: PowerCyclePolicy,
): string {
  const wanted = JSON.stringify([policy, fieldsOf(definition), sizes.map(({ name, sizeBytes }) => [name, sizeBytes])]);
  return createHash("sha256").update(wanted).digest("hex").slice(0, 16);
}
