// The machines of a set: which ones there are, and what a new one looks like.

import {
  apiVersionOf,
  findCondition,
  ordinalLabel,
  revisionLabel,
  VirtualMachine,
  VMSet,
  type OwnerReference,
  type VMSetTemplate,
} from "@vivarium/api";
import type { GateView } from "./vm-set-gates.ts";
import type { Replica } from "./vm-set-plan.ts";

export function machineName(set: VMSet, ordinal: number): string {
  return `${set.metadata.name}-${ordinal}`;
}

export function ownerOf(set: VMSet): OwnerReference {
  const { name, uid = "" } = set.metadata;
  return { apiVersion: apiVersionOf(VMSet), kind: VMSet.kind, name, uid, controller: true, blockOwnerDeletion: true };
}

export function isOwnedBy({ metadata }: VirtualMachine, set: VMSet): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ uid, controller }) => controller === true && uid === set.metadata.uid,
  );
}

/** The machine of this number. `$(VM_NAME)` and `$(VM_ORDINAL)` in the template's texts become its name and number. */
export function buildMachine(
  set: VMSet,
  made: { readonly ordinal: number; readonly revision: string; readonly template: VMSetTemplate },
): VirtualMachine {
  const name = machineName(set, made.ordinal);
  const { namespace } = set.metadata;
  const own = expand(made.template, { VM_NAME: name, VM_ORDINAL: String(made.ordinal) });
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata }) => ({
    name: metadata.name,
    volumeRef: { name: `${metadata.name}-${name}` },
  }));
  const disks = [
    ...(own.spec.disks ?? []).filter((disk) => !claims.some((claim) => claim.name === disk.name)),
    ...claims,
  ];
  return {
    apiVersion: apiVersionOf(VirtualMachine),
    kind: VirtualMachine.kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: {
        ...labelsOf(set, own),
        [revisionLabel]: made.revision,
        [ordinalLabel]: String(made.ordinal),
      },
      ...(own.metadata?.annotations === undefined ? {} : { annotations: own.metadata.annotations }),
      ownerReferences: [ownerOf(set)],
    },
    spec: { ...own.spec, ...(disks.length === 0 ? {} : { disks }) },
  };
}

/** Those of the template; what the selector says outright the machines always have. */
export function labelsOf(set: VMSet, template: VMSetTemplate): Record<string, string> {
  return { ...set.spec.selector.matchLabels, ...template.metadata?.labels };
}

export interface ReplicaView extends Replica {
  readonly vm: VirtualMachine;
  /** Ready itself, and every gate is met. */
  readonly isReady: boolean;
  readonly gates: readonly GateView[];
  /** When it becomes available if it stays Ready, or broken if it does not. */
  readonly changesAtMs?: number;
}

/** What a machine is given time for. */
interface Patience {
  readonly minReadyMs: number;
  readonly unhealthyAfterMs: number;
}

/** How the set sees one of its machines; undefined for one without a number, which somebody else gave to the set. */
export function viewMachine(
  vm: VirtualMachine,
  {
    minReadyMs,
    unhealthyAfterMs,
    nowMs,
    gates,
  }: Patience & { readonly nowMs: number; readonly gates: readonly GateView[] },
): ReplicaView | undefined {
  const ordinal = Number(vm.metadata.labels?.[ordinalLabel] ?? Number.NaN);
  if (!Number.isInteger(ordinal)) return undefined;
  const ready = findCondition(vm.status?.conditions, "Ready");
  const unmet = gates.filter((gate) => !gate.isMet);
  const isReady = isOffAsDeclared(vm) || (ready?.status === "True" && unmet.length === 0);
  const isTerminating = vm.metadata.deletionTimestamp !== undefined;
  const itselfSinceMs = Date.parse(ready?.lastTransitionTime ?? vm.metadata.creationTimestamp ?? "");
  // Since the last gate was met, or the first was not.
  const gatesSinceMs = isReady
    ? Math.max(0, ...gates.map((gate) => gate.sinceMs))
    : Math.min(...unmet.map((gate) => gate.sinceMs));
  const sinceMs = Number.isFinite(gatesSinceMs) ? Math.max(itselfSinceMs, gatesSinceMs) : itselfSinceMs;
  const availableAtMs = sinceMs + minReadyMs;
  const brokenAtMs = unmet.some(isFailing) || mayBeBroken(vm) ? sinceMs + unhealthyAfterMs : Number.POSITIVE_INFINITY;
  const changesAtMs = isReady ? availableAtMs : brokenAtMs;
  return {
    vm,
    name: vm.metadata.name,
    ordinal,
    revision: vm.metadata.labels?.[revisionLabel] ?? "",
    isReady,
    gates,
    isAvailable: isReady && !isTerminating && nowMs >= availableAtMs,
    isBroken: !isReady && !isTerminating && nowMs >= brokenAtMs,
    isTerminating,
    ...(changesAtMs > nowMs && Number.isFinite(changesAtMs) ? { changesAtMs } : {}),
  };
}

/** A set of machines that shall be off, paused or suspended is whole when they are. */
function isOffAsDeclared({ spec, status }: VirtualMachine): boolean {
  const wanted = spec.powerState ?? "On";
  if (wanted === "On") return false;
  const isOff = status?.phase === "Stopped";
  return wanted === "Off" || wanted === "OffGraceful" ? isOff : isOff || status?.powerState === wanted;
}

/** What waits for something, or for its provider, is not mended by another one that waits as well. */
function mayBeBroken({ status }: VirtualMachine): boolean {
  const ready = findCondition(status?.conditions, "Ready");
  if (ready?.status !== "False" || ready.reason === "ProviderUnavailable") return false;
  return status?.phase === "Running" || status?.phase === "Failed";
}

/** Not one that waits for its host to be asked, which another machine would as well. */
function isFailing({ reason }: GateView): boolean {
  return reason !== "ProviderUnavailable";
}

function expand<T>(value: T, words: Readonly<Record<string, string>>): T {
  const text = JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "string"
      ? each.replaceAll(/\$\((VM_NAME|VM_ORDINAL)\)/g, (whole, word: string) => words[word] ?? whole)
      : each,
  );
  return JSON.parse(text) as T;
}
