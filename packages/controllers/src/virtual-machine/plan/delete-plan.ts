// The end of a VM: off, gone, and nothing left of it on the hypervisor; or why that cannot be yet. Pure.

import type { PlanInput } from "./input.ts";
import { settle } from "./step.ts";
import type { Step } from "./step.ts";

const heldLookMs = 10_000;

export function decideDelete(input: PlanInput): Step {
  const { seen, done } = input;
  if (!input.hasFinalizer) return settle({ kind: "Gone" });
  // Nothing was made before it is bound to a host.
  if (input.hostChoice !== undefined) return { kind: "RemoveFinalizer" };
  if (input.provider === undefined) {
    if (input.record.madeOn === undefined || input.isForcedDelete) return { kind: "RemoveFinalizer" };
    const message = `Provider "${input.record.madeOn}", on which this VM was made, does not exist`;
    return settle({ kind: "DeleteBlocked", problem: { reason: "ProviderNotFound", message } });
  }
  const staying = input.stayingSnapshots ?? [];
  if (staying.length > 0 && !input.isForcedDelete)
    return settle({ kind: "DeleteHeld", snapshots: staying }, input.nowMs + heldLookMs);
  switch (seen.kind) {
    case "unavailable":
      if (input.isForcedDelete) return { kind: "RemoveFinalizer" };
      // Nothing can be there: the placement is recorded before the first volume is made.
      if (input.record.madeOn === undefined) return { kind: "RemoveFinalizer" };
      return settle({ kind: "DeleteUnavailable", error: seen.error });
    case "present":
      return seen.power === "off" ? { kind: "Undefine" } : { kind: "ForceOff", why: "Delete" };
    case "foreign":
    case "unbound":
    case "absent":
      if (!done.has("RemoveVolumes")) return { kind: "RemoveVolumes" };
      if (!done.has("ReleaseLeases")) return { kind: "ReleaseLeases" };
      return { kind: "RemoveFinalizer" };
  }
}
