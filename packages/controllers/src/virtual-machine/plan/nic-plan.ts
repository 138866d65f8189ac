// What comes next for the interfaces of a VM that runs: given an address, plugged in, let go, changed. Pure. Nothing here ever disturbs the
// VM itself: an interface that cannot be changed now is told of, and tried again.

import { nicFilterKey } from "@vivarium/provider";
import type { NicDefinition, NicLimits, NicObservation, VmDefinition, VmObservation } from "@vivarium/provider";
import { HotTurn } from "./hot-plan.ts";
import type { HotMemory, HotWait } from "./hot-plan.ts";
import { isNicRecordDue } from "../applied-nics.ts";
import type { VmRecord } from "../record.ts";

export type NicStep =
  | { readonly kind: "AttachNic"; readonly nic: NicDefinition }
  | { readonly kind: "RequestNicDetach"; readonly name: string; readonly mac: string }
  | { readonly kind: "TuneNic"; readonly nic: NicDefinition };

export interface NicInput extends HotMemory {
  readonly nowMs: number;
  readonly record: VmRecord;
  readonly definition: VmDefinition;
  /** An interface has no MAC address of its own yet. */
  readonly isMacDue: boolean;
  readonly done: ReadonlySet<string>;
}

type Present = Extract<VmObservation, { kind: "present" }>;

export type NicDecision =
  | { readonly kind: "AllocateMacs" }
  | NicStep
  /** The interfaces are as declared, and the record does not say so yet. */
  | { readonly kind: "RecordNics" }
  | HotWait;

export function nicStepKey(step: NicStep): string {
  return `${step.kind}/${step.kind === "RequestNicDetach" ? step.mac : step.nic.mac}`;
}

export function decideRunningNics(input: NicInput, seen: Present): NicDecision {
  const { definition, record } = input;
  const turn = new HotTurn(input);
  // What the definition says of MAC addresses holds only once they are given.
  if (input.isMacDue) return turn.isHeld("AllocateMacs") ? turn.wait() : { kind: "AllocateMacs" };
  let isSettled = true;
  for (const { mac, name } of surplusNics(seen, { record, definition })) {
    isSettled = false;
    const step: NicStep = { kind: "RequestNicDetach", name, mac };
    if (turn.isDetachDue(mac, nicStepKey(step))) return step;
  }
  for (const nic of definition.networks) {
    const has = seen.nics.find(({ mac }) => mac === nic.mac);
    if (has === undefined) {
      isSettled = false;
      // The one of this name and another address goes first: a domain has no name twice.
      if (seen.nics.some(({ name }) => name === nic.name)) continue;
      const step: NicStep = { kind: "AttachNic", nic };
      if (!turn.isHeld(nicStepKey(step))) return step;
    } else if (differencesOf(has, nic).length > 0) {
      isSettled = false;
      const step: NicStep = { kind: "TuneNic", nic };
      if (!turn.isHeld(nicStepKey(step))) return step;
    }
  }
  return isSettled && isNicRecordDue(record, definition) ? { kind: "RecordNics" } : turn.wait();
}

/** Interfaces of ours that the guest has and the spec has not. */
export function surplusNics(
  seen: Present,
  { record, definition }: { readonly record: VmRecord; readonly definition: Pick<VmDefinition, "networks"> },
): readonly { readonly mac: string; readonly name: string }[] {
  const wanted = new Set(definition.networks.map(({ mac }) => mac));
  return ownNics(seen, record).filter(({ mac }) => !wanted.has(mac));
}

/** Those that we put there, also before interfaces had names. */
export function ownNics(seen: Present, record: VmRecord): readonly (NicObservation & { readonly name: string })[] {
  const names = new Map(Object.entries(record.macs ?? {}).map(([name, mac]) => [mac, name]));
  return seen.nics.flatMap((nic) => {
    const name =
      nic.name ?? (record.applied?.macs.includes(nic.mac) === true ? (names.get(nic.mac) ?? nic.mac) : undefined);
    return name === undefined ? [] : [{ ...nic, name }];
  });
}

/** What of an interface is not as declared, and can be changed while the VM runs. */
export function differencesOf(has: NicObservation, nic: NicDefinition): readonly string[] {
  const filter = nic.filter === undefined ? undefined : nicFilterKey(nic.filter);
  const differs: readonly (readonly [string, boolean])[] = [
    ["network", JSON.stringify(has.source) !== JSON.stringify(nic.source)],
    ["VLAN", has.vlan !== nic.vlan],
    ["isolation", has.isIsolated !== (nic.isIsolated ?? false)],
    ["link", has.isLinkUp !== (nic.isLinkUp ?? true)],
    ["limits", !isSameLimits(has.limits, nic.limits ?? {})],
    ["filter", has.filter !== filter],
  ];
  return differs.flatMap(([what, isSo]) => (isSo ? [what] : []));
}

function isSameLimits(a: NicLimits, b: NicLimits): boolean {
  return (["inbound", "outbound"] as const).every((way) =>
    (["averageKBPerSecond", "peakKBPerSecond", "burstKiB"] as const).every((key) => a[way]?.[key] === b[way]?.[key]),
  );
}
