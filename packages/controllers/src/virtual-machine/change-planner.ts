// Says what a change would do, before it is made: looks at the machine and asks the plan, as a reconcile does, and takes no step.

import { formatKey } from "@vivarium/api";
import type { VirtualMachine, VMClass, VMSet } from "@vivarium/api";
import type { Clock, Manager } from "@vivarium/runtime";
import type { Logger } from "pino";
import type { ProviderRegistry } from "../provider-registry.ts";
import { createVmContext } from "./context.ts";
import type { VmContext } from "./context.ts";
import { Look } from "./look.ts";
import { newMemory } from "./memory.ts";
import { observe } from "./observe.ts";
import { planInputOf } from "./plan-input.ts";
import { planSetChange } from "../vm-set/vm-set-change-plan.ts";
import type { SetChange, TemplateVerdict } from "../vm-set/vm-set-change-plan.ts";
import { buildMachine, isOwnedBy, viewMachine } from "../vm-set/vm-set-machines.ts";
import { isMissing } from "./plan/as-declared.ts";
import { planChange } from "./plan/change-plan.ts";
import type { FieldChange } from "./plan/change-plan.ts";
import type { PowerCyclePolicy } from "./plan/power-cycle-plan.ts";
import { fieldsNotApplied, keyOf, resolveDefinition, resolveProvider } from "./resolve/definition.ts";

export interface MachineChange {
  readonly name: string;
  readonly changes: readonly FieldChange[];
  /** What follows where a change waits for a power cycle. */
  readonly powerCyclePolicy: PowerCyclePolicy;
}

export interface ChangePlanner {
  /** `wanted`: as it would be stored. */
  planMachine(vm: VirtualMachine, wanted: VirtualMachine, options: PlanOptions): Promise<MachineChange>;
  /** For each machine of the class that it would change. */
  planClass(wanted: VMClass, options: PlanOptions): Promise<readonly MachineChange[]>;
  planSet(set: VMSet, wanted: VMSet): SetChange;
}

interface PlanOptions {
  readonly signal: AbortSignal;
}

export function createChangePlanner({
  manager,
  providers,
  clock,
  logger,
}: {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
}): ChangePlanner {
  // Of its own: what a look remembers here is nobody else's.
  const context = createVmContext({ manager, providers, clock, random: () => 0 });

  async function plan(
    vm: VirtualMachine,
    wanted: VirtualMachine,
    { signal, as }: PlanOptions & { readonly as: VmContext },
  ): Promise<MachineChange> {
    const memory = newMemory(vm.metadata.uid ?? "", clock.now());
    const look = new Look(vm, memory, { signal, log: logger, failures: 0 });
    await observe(context, look);
    look.turnTo({ ...wanted, ...(vm.status === undefined ? {} : { status: vm.status }) });
    // What was seen stays good; which Provider it is to be may not.
    await observe(context, look);
    const after = planInputOf(as, look);
    const changes = planChange(vm.spec, wanted.spec, { after, notApplied: fieldsNotApplied(wanted) });
    return { name: vm.metadata.name, changes, powerCyclePolicy: after.powerCyclePolicy };
  }

  /** Of a machine that is made of the set's template. */
  function judgeTemplate(set: VMSet): TemplateVerdict {
    const ordinal = set.spec.ordinals?.start ?? 0;
    const made = buildMachine(set, { ordinal, revision: "", template: set.spec.template });
    const provider = resolveProvider(made, context.related, undefined);
    const resolved = resolveDefinition(made, context.related, provider);
    return {
      problems: resolved.ok ? [] : resolved.problems,
      isWaitedFor: ({ reason }) => isMissing[reason],
      notApplied: fieldsNotApplied(made),
    };
  }

  return {
    planSet(set, wanted) {
      const { namespace = "" } = set.metadata;
      // Only which machines there are is asked, not how they fare.
      const patience = { minReadyMs: 0, unhealthyAfterMs: Number.POSITIVE_INFINITY, nowMs: clock.now(), gates: [] };
      const machines = context.objects.machines
        .list({ namespace })
        .filter((vm) => isOwnedBy(vm, set))
        .flatMap((vm) => viewMachine(vm, patience) ?? []);
      return planSetChange(set, wanted, { machines, verdict: judgeTemplate(wanted) });
    },
    planMachine: (vm, wanted, options) => plan(vm, wanted, { ...options, as: context }),
    async planClass(wanted, options) {
      const key = formatKey({ namespace: wanted.metadata.namespace ?? "", name: wanted.metadata.name });
      const related = {
        ...context.related,
        vmClass: (asked: { readonly namespace: string; readonly name: string }) =>
          formatKey(asked) === key ? wanted : context.related.vmClass(asked),
      };
      const machines = context.objects.machines
        .list()
        .filter((vm) => vm.spec.classRef !== undefined && formatKey(keyOf(vm, vm.spec.classRef)) === key)
        .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
      const plans = await Promise.all(machines.map((vm) => plan(vm, vm, { ...options, as: { ...context, related } })));
      // What a machine waits for in any case is not the class's doing.
      return plans
        .map((each) => ({
          ...each,
          changes: each.changes.filter(({ path, effect }) => path !== "spec" || effect !== "unknown"),
        }))
        .filter(({ changes }) => changes.length > 0);
    },
  };
}
