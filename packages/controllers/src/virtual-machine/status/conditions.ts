// The conditions of a VM. Pure.

import { findCondition, setCondition } from "@vivarium/api";
import type { Condition } from "@vivarium/api";
import type { Verdict } from "../../verdict.ts";
import { disksCondition } from "./disk-status.ts";
import type { PowerCyclePolicy } from "../plan/power-cycle-plan.ts";
import type { VmRecord } from "../record.ts";
import { networksCondition } from "./nic-status.ts";
import type { Phase } from "./phase.ts";
import { sizeCondition } from "./size-status.ts";
import type { StatusInput } from "./status.ts";

export function conditionsOf(
  { vm, record, seen, situation, pendingFields, placement, powerCyclePolicy, disks, nics, size }: StatusInput,
  { ready, phase, now }: { readonly ready: Verdict; readonly phase: Phase; readonly now: Date },
): Condition[] {
  const observedGeneration = vm.metadata.generation ?? 0;
  let conditions: Condition[] = vm.status?.conditions ?? [];
  const set = (type: string, value: Verdict): void => {
    conditions = setCondition(conditions, { type, ...value, observedGeneration }, { now });
  };
  set("Ready", ready);
  if (placement !== undefined) set("PlacementSatisfied", placement);
  else if (vm.spec.placementRef === undefined) {
    conditions = conditions.filter(({ type }) => type !== "PlacementSatisfied");
  }
  if (seen.kind === "unavailable" && findCondition(conditions, "Provisioning") !== undefined) return conditions;
  set(
    "Provisioning",
    phase === "Provisioning"
      ? { status: "True", reason: situation.kind === "StepFailed" ? ready.reason : "Creating", message: ready.message }
      : seen.kind === "present"
        ? { status: "False", reason: "Created", message: `Domain "${seen.domain}" exists` }
        : { status: "False", reason: ready.reason, message: ready.message },
  );
  set(
    "Reconfiguring",
    record.powerCycle?.state === "asked"
      ? powerCycling
      : seen.kind === "present"
        ? sizeCondition(seen, size)
        : { status: "False", reason: "Idle", message: "Nothing is being changed" },
  );
  if (record.adoptedUuid !== undefined) {
    set("ReconfigurePendingPowerCycle", asFound);
    return conditions;
  }
  set("ReconfigurePendingPowerCycle", pendingCondition(pendingFields, { record, policy: powerCyclePolicy }));
  if (seen.kind === "present") set("DisksAttached", disksCondition(seen, disks));
  if (seen.kind === "present") set("NetworksAttached", networksCondition(seen, nics));
  return conditions;
}

const asFound: Verdict = {
  status: "False",
  reason: "Adopted",
  message: "The domain stays as it was found: only its power follows the spec",
};

const powerCycling: Verdict = {
  status: "True",
  reason: "PowerCycle",
  message: "The guest was asked to shut down, to be started again as declared",
};

function pendingCondition(
  fields: readonly string[] | undefined,
  { record, policy }: { readonly record: VmRecord; readonly policy: PowerCyclePolicy },
): Verdict {
  if (fields === undefined) {
    return { status: "Unknown", reason: "NotComparable", message: "What the VM shall be cannot be resolved now" };
  }
  if (fields.length === 0) return { status: "False", reason: "UpToDate", message: "The domain is as declared" };
  return {
    status: "True",
    reason: "PowerCycleRequired",
    message: `Changed in the spec, not in the domain: ${fields.join(", ")}. ${nextOff(record, policy)}`,
  };
}

function nextOff({ powerCycle }: VmRecord, policy: PowerCyclePolicy): string {
  const byHand = "Applied when the VM is next off: restart it, or stop and start it";
  switch (powerCycle?.state) {
    case "asked":
      return "The guest was asked to shut down for it";
    case "refused":
      return `The guest was asked to shut down and did not within spec.lifecycle.gracefulShutdownTimeout. ${byHand}, or set spec.lifecycle.reconfigurePolicy to Force`;
    case "done":
    case undefined:
      return policy === "Manual" ? byHand : "The guest will be shut down for it, and started again";
  }
}
