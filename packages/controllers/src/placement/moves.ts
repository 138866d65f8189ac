// Plans of moves between the hosts of a Provider: what is to leave a host, and what would bring machines back to where they may be and spread
// them evenly. A plan is only a plan: who wants it makes a VMMigration of each move. The same state gives the same plan.

import type { Provider, VirtualMachine } from "@vivarium/api";
import type { PlacementHost } from "./model.ts";
import type { Placer } from "./placer.ts";
import { detailsOf } from "./summary.ts";

export interface Move {
  readonly vm: VirtualMachine;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

export interface Stay {
  readonly vm: VirtualMachine;
  readonly from: string;
  /** Why it cannot leave. */
  readonly why: string;
}

export interface MovePlan {
  readonly moves: readonly Move[];
  readonly stays: readonly Stay[];
}

/** Points by which the fullest host must be fuller than where a machine goes, for a move to be worth it. */
const worthwhilePercent = 15;
const mostMoves = 20;

/** All that is to leave a host. Each move is counted when the next is planned. */
export function planDrain(
  placer: Placer,
  { provider, host, machines }: { readonly provider: Provider; readonly host: string; readonly machines: Machines },
): MovePlan {
  const moves: Move[] = [];
  const stays: Stay[] = [];
  for (const vm of machines.filter((each) => placer.ledger.hostOf(uidOf(each)) === host).toSorted(byName)) {
    const found = targetOf(placer, { vm, provider, from: host });
    if (found.kind === "none") {
      stays.push({ vm, from: host, why: found.why });
      continue;
    }
    assume(placer, vm, found.to);
    moves.push({ vm, from: host, to: found.to, why: `host "${host}" is to be empty` });
  }
  return { moves, stays };
}

/** First what is where it may not be, then from the fullest host to others. */
export function planRebalance(
  placer: Placer,
  { provider, machines }: { readonly provider: Provider; readonly machines: Machines },
): MovePlan {
  const moves: Move[] = [];
  const stays: Stay[] = [];
  const moved = new Set<string>();
  for (const vm of machines.toSorted(byName)) {
    const from = placer.ledger.hostOf(uidOf(vm));
    const broken = placer.whyNotThere(vm, provider);
    if (from === undefined || broken.length === 0) continue;
    const why = broken.map(({ message }) => message).join(", ");
    const found = targetOf(placer, { vm, provider, from });
    moved.add(uidOf(vm));
    if (found.kind === "none") {
      stays.push({ vm, from, why: `${why}; ${found.why}` });
      continue;
    }
    assume(placer, vm, found.to);
    moves.push({ vm, from, to: found.to, why });
  }
  while (moves.length < mostMoves) {
    const move = spreadingMove(placer, { provider, machines: machines.filter((vm) => !moved.has(uidOf(vm))) });
    if (move === undefined) break;
    moved.add(uidOf(move.vm));
    assume(placer, move.vm, move.to);
    moves.push(move);
  }
  return { moves, stays };
}

type Machines = readonly VirtualMachine[];

/** The largest machine of the fullest host that can go where it is clearly emptier, also afterwards. */
function spreadingMove(
  placer: Placer,
  { provider, machines }: { readonly provider: Provider; readonly machines: Machines },
): Move | undefined {
  const full = (host: PlacementHost) => fullPercent(host);
  const [fullest] = placer.hostsOf(provider, "").toSorted((a, b) => full(b) - full(a) || (a.name < b.name ? -1 : 1));
  if (fullest === undefined) return undefined;
  const there = machines
    .filter((vm) => placer.ledger.hostOf(uidOf(vm)) === fullest.name && isRunning(vm))
    .toSorted((a, b) => memoryOf(placer, provider, b) - memoryOf(placer, provider, a) || byName(a, b));
  for (const vm of there) {
    const found = targetOf(placer, { vm, provider, from: fullest.name });
    if (found.kind === "none") continue;
    const before = full(fullest);
    const after = 100 - found.freePercent;
    if (before - after < worthwhilePercent) continue;
    const why = `host "${fullest.name}" is ${before} % full, "${found.to}" would be ${after} %`;
    return { vm, from: fullest.name, to: found.to, why };
  }
  return undefined;
}

function targetOf(
  placer: Placer,
  { vm, provider, from }: { readonly vm: VirtualMachine; readonly provider: Provider; readonly from: string },
):
  | { readonly kind: "found"; readonly to: string; readonly freePercent: number }
  | { readonly kind: "none"; readonly why: string } {
  if (vm.status?.moving !== undefined) return { kind: "none", why: "it is being moved already" };
  const named = vm.spec.placement?.host;
  if (named !== undefined) return { kind: "none", why: `its spec.placement.host names "${named}"` };
  const placement = placer.placeElsewhere(vm, { provider, from });
  if (placement.kind === "chosen") {
    const freePercent = placement.verdicts.find(({ host }) => host === placement.host)?.freePercent ?? 0;
    return { kind: "found", to: placement.host, freePercent };
  }
  const others = placement.verdicts.length;
  const why = others === 0 && placement.problems.length === 0 ? "there is no other host" : detailsOf(placement);
  return { kind: "none", why };
}

/** From now on it counts there. */
function assume({ ledger }: Placer, vm: VirtualMachine, to: string): void {
  ledger.set({ ...vm, status: { ...vm.status, host: to } });
}

function fullPercent({ room, taken }: PlacementHost): number {
  if (room.kind !== "limited") return 0;
  const share = (used: number, whole: number): number => (whole <= 0 ? 1 : used / whole);
  return Math.round(50 * (share(taken.cpus, room.cpus) + share(taken.memoryBytes, room.memoryBytes)));
}

function memoryOf(placer: Placer, provider: Provider, vm: VirtualMachine): number {
  return placer.wishOf(vm, provider).amount.memoryBytes;
}

function isRunning({ status }: VirtualMachine): boolean {
  return status?.powerState === "On" || status?.powerState === "Paused";
}

function uidOf({ metadata }: VirtualMachine): string {
  return metadata.uid ?? "";
}

function byName(a: VirtualMachine, b: VirtualMachine): number {
  const name = ({ metadata }: VirtualMachine) => `${metadata.namespace ?? ""}/${metadata.name}`;
  return name(a) < name(b) ? -1 : 1;
}
