// Says of what is about to be written whether any host can ever take it, for those who let writes pass or not. Reads caches only.

import { isDeepStrictEqual } from "node:util";
import { formatKey, VirtualMachine } from "@vivarium/api";
import type { Provider, VMClass, VMSet } from "@vivarium/api";
import type { Manager } from "@vivarium/runtime";
import { formatAmount } from "../placement/fit.ts";
import type { Lack } from "../placement/fit.ts";
import { Placer } from "../placement/placer.ts";
import { placementObjects } from "./host-chooser.ts";
import { adoptionOf, amountOf, keyOf } from "./resolve/definition.ts";

/** A field that asks for more than any host can ever give. */
export interface SizeProblem {
  readonly field: string;
  /** The value found, and what there is. */
  readonly message: string;
}

export interface SizeFinding {
  readonly problems: readonly SizeProblem[];
  /** What could not be judged. */
  readonly warnings: readonly string[];
}

/** `old`: as it is stored; absent at a creation. What does not grow is never a problem: it was let pass before. */
export interface SizeCheck {
  machine(wanted: VirtualMachine, old: VirtualMachine | undefined): SizeFinding;
  set(wanted: VMSet, old: VMSet | undefined): SizeFinding;
  /** Of the machines of the class. */
  class(wanted: VMClass): SizeFinding;
}

type What = Lack["what"];

interface Misfit {
  readonly what: What;
  readonly value: string;
  /** Which hosts, and what each may give. */
  readonly why: string;
}

type Judgement =
  | { readonly kind: "possible" }
  | { readonly kind: "unknown"; readonly hosts: string }
  | { readonly kind: "impossible"; readonly misfits: readonly Misfit[] };

const fine: SizeFinding = { problems: [], warnings: [] };

export function createSizeCheck(manager: Manager): SizeCheck {
  const machines = manager.cache(VirtualMachine);
  const objects = placementObjects(manager);
  const placer = new Placer(objects);

  /** `after`: over the objects as they will be. */
  function judge(wanted: VirtualMachine, old: VirtualMachine | undefined, after = placer): Judgement {
    // What is adopted is there already, whatever its size.
    if (adoptionOf(wanted) !== undefined) return { kind: "possible" };
    const provider = after.providerOf(wanted);
    if (provider === undefined) return { kind: "possible" };
    const { amount } = after.wishOf(wanted, provider);
    if (old !== undefined && isSamePlace(wanted, old)) {
      const before = amountOf(old, objects);
      if (amount.cpus <= before.cpus && amount.memoryBytes <= before.memoryBytes) return { kind: "possible" };
    }
    const fit = after.fitOf(wanted, provider);
    const hosts = hostsMeant(wanted, provider);
    switch (fit.kind) {
      case "possible":
        return fit;
      case "unknown":
        return { ...fit, hosts };
      case "impossible": {
        const misfits = fit.lacks.map(({ what, limits }) => ({
          what,
          value: formatAmount(amount[what], what),
          why: `${hosts} may give VMs no more than: ${limits}`,
        }));
        return { kind: "impossible", misfits };
      }
    }
  }

  function judgeSpec(wanted: VirtualMachine, old: VirtualMachine | undefined, path: string): SizeFinding {
    const judgement = judge(wanted, old);
    switch (judgement.kind) {
      case "possible":
        return fine;
      case "unknown":
        return { ...fine, warnings: [`Whether the VM fits is not known yet: ${judgement.hosts} told no size so far`] };
      case "impossible": {
        const problems = judgement.misfits.map(({ what, value, why }) => ({
          field: `${path}.${fieldOf(wanted, what)}`,
          message: `Invalid value: ${value}: it can never be placed: ${why}`,
        }));
        return { ...fine, problems };
      }
    }
  }

  return {
    machine: (wanted, old) => judgeSpec(wanted, old, "spec"),
    set: (wanted, old) => judgeSpec(machineOf(wanted), old && machineOf(old), "spec.template.spec"),
    class(wanted) {
      const key = formatKey({ namespace: wanted.metadata.namespace ?? "", name: wanted.metadata.name });
      const after = new Placer({
        ...objects,
        vmClass: (asked) => (formatKey(asked) === key ? wanted : objects.vmClass(asked)),
      });
      const known = new Map<string, Judgement>();
      const found = new Map<What, Misfit & { readonly first: VirtualMachine; readonly count: number }>();
      for (const vm of machines.list()) {
        const { classRef, providerRef, placement, placementRef, resources } = vm.spec;
        if (classRef === undefined || formatKey(keyOf(vm, classRef)) !== key) continue;
        // Machines of a class differ in little: each case is judged once.
        const { madeOn } = vm.status?.provider ?? {};
        const same = [vm.metadata.namespace, madeOn, providerRef, placement?.host, placementRef, resources];
        const id = JSON.stringify([...same, adoptionOf(vm)?.uuid]);
        const judgement = known.get(id) ?? judge(vm, vm, after);
        known.set(id, judgement);
        if (judgement.kind !== "impossible") continue;
        for (const misfit of judgement.misfits) {
          const { first = vm, count = 0 } = found.get(misfit.what) ?? {};
          found.set(misfit.what, { ...misfit, first, count: count + 1 });
        }
      }
      const problems = [...found.values()].map(({ what, value, why, first, count }) => ({
        field: what === "cpus" ? "spec.cpu" : "spec.memory",
        message: `Invalid value: ${value}: VM "${formatKey({ namespace: first.metadata.namespace ?? "", name: first.metadata.name })}"${count > 1 ? ` and ${count - 1} more of the class` : ""} could never be placed: ${why}`,
      }));
      return { ...fine, problems };
    },
  };
}

function isSamePlace({ spec }: VirtualMachine, { spec: old }: VirtualMachine): boolean {
  return (
    isDeepStrictEqual(spec.providerRef, old.providerRef) &&
    isDeepStrictEqual(spec.placementRef, old.placementRef) &&
    spec.placement?.host === old.placement?.host
  );
}

function hostsMeant({ spec }: VirtualMachine, { metadata }: Provider): string {
  const provider = `Provider "${metadata.name}"`;
  const policy = spec.placementRef === undefined ? "" : ` under VMPlacementPolicy "${spec.placementRef.name}"`;
  const host = spec.placement?.host;
  return `${host === undefined ? `the hosts of ${provider}` : `host "${host}" of ${provider}`}${policy}`;
}

/** Which field says how large it is. */
function fieldOf({ spec: { resources } }: VirtualMachine, what: What): string {
  const [own, name] = what === "cpus" ? [resources?.cpu, "cpu"] : [resources?.memoryMiB, "memoryMiB"];
  return own === undefined ? "classRef" : `resources.${name}`;
}

/** Any machine of the set. */
function machineOf({ metadata, spec }: VMSet): VirtualMachine {
  const { namespace = "", name } = metadata;
  return {
    apiVersion: `${VirtualMachine.group}/${VirtualMachine.version}`,
    kind: VirtualMachine.kind,
    metadata: { namespace, name, labels: { ...spec.template.metadata?.labels } },
    spec: spec.template.spec,
  };
}
