// Tells whoever tries a change without making it (`kubectl diff`, `--dry-run=server`, `viv plan`) what it would do, field by field, as
// warnings of the answer.

import { VirtualMachine, VMClass, VMSet } from "@vivarium/api";
import type { AdmissionPlugin, AdmissionRequest } from "@vivarium/apiserver";
import type { ChangePlanner, FieldChange, MachineChange } from "@vivarium/controllers";
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
        return setLines(oldObject as VMSet | undefined, object as VMSet | undefined);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return ["What the change would do cannot be told: the hypervisor did not answer in time"];
  }
}

function linesOf({ changes, powerCyclePolicy }: MachineChange, prefix = ""): readonly string[] {
  const waits = changes.some(({ effect }) => effect === "restart");
  return [
    ...changes.map((change) => `${prefix}${lineOf(change)}`),
    ...(waits ? [`${prefix}${afterwards[powerCyclePolicy]}`] : []),
  ];
}

function lineOf({ effect, path, from, to, reason }: FieldChange): string {
  const values = path === "spec" ? "" : ` ${from ?? "absent"} to ${to ?? "absent"}`;
  return `${effect}: ${path}${values} (${reason})`;
}

const afterwards: Readonly<Record<MachineChange["powerCyclePolicy"], string>> = {
  Manual: "what needs a restart waits for one by hand: spec.lifecycle.reconfigurePolicy is Manual",
  Graceful: "the guest is shut down for it, and started again: spec.lifecycle.reconfigurePolicy is Graceful",
  Force:
    "the guest is shut down for it, by force if need be, and started again: spec.lifecycle.reconfigurePolicy is Force",
};

function setLines(old: VMSet | undefined, wanted: VMSet | undefined): readonly string[] {
  if (old === undefined || wanted === undefined) return [];
  const count = old.status?.replicas ?? 0;
  const lines: string[] = [];
  if (!isDeepStrictEqual(old.spec.template, wanted.spec.template)) {
    const how = wanted.spec.updateStrategy?.type ?? "RollingUpdate";
    lines.push(
      wanted.spec.paused === true
        ? "none: spec.template (spec.paused is true: no machine is replaced until it is resumed)"
        : `recreate: spec.template (${count} machines are made anew, disks included: ${strategies[how]})`,
    );
  }
  const [from, to] = [old.spec.replicas ?? 1, wanted.spec.replicas ?? 1];
  if (from !== to)
    lines.push(
      `live: spec.replicas ${from} to ${to} (${to > from ? "machines are added" : "the highest numbers are deleted"})`,
    );
  return lines;
}

const strategies = {
  RollingUpdate: "in turn, within maxUnavailable and maxSurge",
  OnDelete: "each when somebody deletes it",
  Recreate: "all at once",
} as const;
