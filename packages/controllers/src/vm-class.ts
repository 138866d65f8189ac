// The VMClass controller: says whether machines of a class can be made, where, and how many use it.

import { formatKey, formatTime, Provider, setCondition, VirtualMachine, VMClass } from "@vivarium/api";
import type { VMClassStatus } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { Pace } from "./pace.ts";
import { requestOf } from "./request-of.ts";
import { classVerdict, providerVerdict } from "./vm-class-plan.ts";
import { observedGenerationOf } from "./verdict.ts";

type ValidationResults = NonNullable<VMClassStatus["validationResults"]>;

export function createVmClassController({
  manager,
  clock,
}: {
  readonly manager: Manager;
  readonly clock: Clock;
}): Controller {
  const classes = manager.cache(VMClass);
  const machines = manager.cache(VirtualMachine);
  const providers = manager.cache(Provider);
  const machinesOf = machines.index((vm) => classOf(vm).map(formatKey));
  const pace = new Pace(clock);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const vmClass = classes.get(request);
    if (vmClass === undefined || vmClass.metadata.deletionTimestamp !== undefined) return undefined;
    const usedByVMs = machinesOf.count(formatKey(request));
    const waitMs = usedByVMs === vmClass.status?.usedByVMs ? 0 : pace.waitMs(formatKey(request), usedByVMs);
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const observed = observedGenerationOf(vmClass);
    const condition = { type: "Ready", ...classVerdict(vmClass.spec), ...observed };
    const results = validate(vmClass);
    const supported = Object.keys(results).filter((name) => results[name]?.valid === true);
    const status: VMClassStatus = {
      usedByVMs,
      ...(supported.length === 0 ? {} : { supportedProviders: supported.sort() }),
      ...(Object.keys(results).length === 0 ? {} : { validationResults: results }),
      ...observed,
      conditions: setCondition(vmClass.status?.conditions, condition, { now: new Date(clock.now()) }),
    };
    await writeStatus(manager.client, { type: VMClass, object: vmClass, status }, { signal });
    return undefined;
  }

  /** By the providers of its own namespace. */
  function validate(vmClass: VMClass): ValidationResults {
    const results: ValidationResults = {};
    const { namespace } = vmClass.metadata;
    for (const provider of providers.list(namespace === undefined ? {} : { namespace })) {
      const verdict = providerVerdict(vmClass, provider);
      if (verdict === undefined) continue;
      const { name } = provider.metadata;
      const old = vmClass.status?.validationResults?.[name];
      const isSame =
        old?.valid === verdict.isValid &&
        old.message === verdict.message &&
        (old.warnings ?? []).join() === verdict.warnings.join();
      results[name] = {
        valid: verdict.isValid,
        ...(verdict.message === undefined ? {} : { message: verdict.message }),
        ...(verdict.warnings.length === 0 ? {} : { warnings: [...verdict.warnings] }),
        lastValidated: (isSame ? old.lastValidated : undefined) ?? formatTime(new Date(clock.now())),
      };
    }
    return results;
  }

  return {
    name: "vm-class",
    for: VMClass,
    related: [
      related(VirtualMachine, classOf, { factsOf: ({ spec }) => spec.classRef }),
      related(Provider, (provider) => {
        const { namespace } = provider.metadata;
        return classes.list(namespace === undefined ? {} : { namespace }).map(requestOf);
      }),
    ],
    reconcile,
  };
}

function classOf(vm: VirtualMachine): readonly ReconcileRequest[] {
  const ref = vm.spec.classRef;
  return ref === undefined ? [] : [{ namespace: ref.namespace ?? vm.metadata.namespace ?? "", name: ref.name }];
}
