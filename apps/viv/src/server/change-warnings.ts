// Tells whoever tries a change without making it (`kubectl diff`, `--dry-run=server`, `viv plan`) what it would do, field by field, as
// warnings of the answer.

import { VirtualMachine, VMClass, VMSet } from "@vivarium/api";
import type { AdmissionPlugin, AdmissionRequest } from "@vivarium/apiserver";
import type { ChangePlanner, FieldChange, MachineChange, SetChange } from "@vivarium/controllers";
import { namesOf } from "./names-of.ts";
import { isDeepStrictEqual } from "node:util";

/** More machines of one class than anybody reads about. */
const mostMachines = 20;
/** A host that hangs must not hold an answer. */
const deadlineMs = 10_000;

export function changeWarnings(planner: () => ChangePlanner | undefined): AdmissionPlugin {
  return {
    name: "ChangeWarnings",
    isInterested: ({ operation, resource, subresource }) =>
      operation === "UPDATE" &&
      subresource === undefined &&
      [VirtualMachine, VMClass, VMSet].some(
        ({ group, plural }) => resource.group === group && resource.plural === plural,
      ),
    async admit(request) {
      if (request.isDryRun) request.warnings.push(...(await warningsOf(request, planner())));
      return undefined;
    },
  };
}

async function warningsOf(
  { resource, object, oldObject }: AdmissionRequest,
  planner: ChangePlanner | undefined,
): Promise<readonly string[]> {
  if (isDeepStrictEqual(object?.["spec"], oldObject?.["spec"])) return [];
  if (planner === undefined)
    return ["What the change would do cannot be told: the controllers do not run in this server"];
  const signal = AbortSignal.timeout(deadlineMs);
  try {
    switch (resource.plural) {
      case VirtualMachine.plural: {
        const [vm, wanted] = [oldObject as VirtualMachine | undefined, object as VirtualMachine | undefined];
        if (vm === undefined || wanted === undefined) return [];
        return linesOf(await planner.planMachine(vm, wanted, { signal }));
      }
      case VMClass.plural: {
        const wanted = object as VMClass | undefined;
        const plans = wanted === undefined ? [] : await planner.planClass(wanted, { signal });
        const left = plans.length - mostMachines;
        return [
          ...plans.slice(0, mostMachines).flatMap((plan) => linesOf(plan, `VM ${plan.name}: `)),
          ...(left > 0 ? [`and ${left} VMs more`] : []),
        ];
      }
      default:
        return linesOfSet(planner, oldObject as VMSet | undefined, object as VMSet | undefined);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return ["What the change would do cannot be told: the hypervisor did not answer in time"];
  }
}

function linesOfSet(planner: ChangePlanner, set: VMSet | undefined, wanted: VMSet | undefined): readonly string[] {
  return set === undefined || wanted === undefined ? [] : setLines(planner.planSet(set, wanted), wanted);
}

function linesOf({ changes, powerCyclePolicy }: MachineChange, prefix = ""): readonly string[] {
  const waits = changes.some(({ effect }) => effect === "restart");
  return [
    ...changes.map((change) => `${prefix}${lineOf(change)}`),
    ...(waits ? [`${prefix}${afterwards[powerCyclePolicy]}`] : []),
  ];
}

function lineOf({ effect, path, from, to, reason }: FieldChange): string {
  const values = from === undefined && to === undefined ? "" : ` ${from ?? "absent"} to ${to ?? "absent"}`;
  return `${effect}: ${path}${values} (${reason})`;
}

const afterwards: Readonly<Record<MachineChange["powerCyclePolicy"], string>> = {
  Manual: "what needs a restart waits for one by hand: spec.lifecycle.reconfigurePolicy is Manual",
  Graceful: "the guest is shut down for it, and started again: spec.lifecycle.reconfigurePolicy is Graceful",
  Force:
    "the guest is shut down for it, by force if need be, and started again: spec.lifecycle.reconfigurePolicy is Force",
};

function setLines({ changes, rollout, heldBy }: SetChange, { spec }: VMSet): readonly string[] {
  const { replaced, kept, surge, added, deleted } = rollout;
  const count = replaced.flat().length;
  const together = [...new Set(replaced.map((wave) => wave.length))];
  const pace = together.every((size) => size === 1) ? "one after the other" : "those joined by + at the same time";
  const order = replaced.map((wave) => wave.join(" + "));
  const above =
    surge.length === 0
      ? ""
      : `, while ${namesOf(surge, mostMachines)} ${surge.length === 1 ? "is" : "are"} there beside them`;
  return [
    ...changes.map(lineOf),
    ...(count === 0
      ? []
      : [`${machinesText(count)} made anew, disks included, ${pace}: ${namesOf(order, mostMachines)}${above}`]),
    ...(kept.length === 0
      ? []
      : [`${machinesText(kept.length)} kept: ${namesOf(kept, mostMachines)} (${whyKept(heldBy, spec)})`]),
    ...(added.length === 0 ? [] : [`${machinesText(added.length)} added: ${namesOf(added, mostMachines)}`]),
    ...(deleted.length === 0 ? [] : [`${machinesText(deleted.length)} deleted: ${namesOf(deleted, mostMachines)}`]),
  ];
}

function machinesText(count: number): string {
  return count === 1 ? "1 machine is" : `${count} machines are`;
}

function whyKept(heldBy: SetChange["heldBy"], { updateStrategy }: VMSet["spec"]): string {
  if (heldBy === "paused") return "spec.paused is true: none is replaced until it is resumed";
  if (heldBy === "OnDelete") return "spec.updateStrategy.type is OnDelete: each is replaced when somebody deletes it";
  return `spec.updateStrategy.rollingUpdate.partition is ${updateStrategy?.rollingUpdate?.partition ?? 0}`;
}
