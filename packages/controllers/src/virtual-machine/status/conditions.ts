// The conditions of a VM. Pure.

import { findCondition, setCondition } from "@vivarium/api";
import type { Condition } from "@vivarium/api";
import type { Verdict } from "../../verdict.ts";
import { disksCondition } from "./disk-status.ts";
import { networksCondition } from "./nic-status.ts";
import type { Phase } from "./phase.ts";
import { sizeCondition } from "./size-status.ts";
import type { StatusInput } from "./status.ts";

export function conditionsOf(
  { vm, record, seen, situation, pendingFields, disks, nics, size }: StatusInput,
  { ready, phase, now }: { readonly ready: Verdict; readonly phase: Phase; readonly now: Date },
): Condition[] {
  const observedGeneration = vm.metadata.generation ?? 0;
  let conditions: Condition[] = vm.status?.conditions ?? [];
  const set = (type: string, value: Verdict): void => {
    conditions = setCondition(conditions, { type, ...value, observedGeneration }, { now });
  };
  set("Ready", ready);
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
    seen.kind === "present"
      ? sizeCondition(seen, size)
      : { status: "False", reason: "Idle", message: "Nothing is being changed" },
  );
  if (record.adoptedUuid !== undefined) {
    set("ReconfigurePendingPowerCycle", asFound);
    return conditions;
  }
  set("ReconfigurePendingPowerCycle", pendingCondition(pendingFields));
  if (seen.kind === "present") set("DisksAttached", disksCondition(seen, disks));
  if (seen.kind === "present") set("NetworksAttached", networksCondition(seen, nics));
  return conditions;
}

const asFound: Verdict = {
  status: "False",
  reason: "Adopted",
  message: "The domain stays as it was found: only its power follows the spec",
};

function pendingCondition(fields: readonly string[] | undefined): Verdict {
  if (fields === undefined) {
    return { status: "Unknown", reason: "NotComparable", message: "What the VM shall be cannot be resolved now" };
  }
  if (fields.length === 0) return { status: "False", reason: "UpToDate", message: "The domain is as declared" };
  return {
    status: "True",
    reason: "PowerCycleRequired",
    message: `Changed in the spec, not in the domain: ${fields.join(", ")}. Applied when the VM is next off: restart it, or stop and start it`,
  };
}
