// Whether a machine fits any host at all: what no host lets machines take even when it is empty is refused when it is declared, with the
// figures. What only does not fit now is the scheduler's business. Pure.

import { mostOf } from "./filter.ts";
import type { HostAmount, PlacementHost } from "./model.ts";
import type { PlacementRules } from "./rules.ts";

export type Fit =
  | { readonly kind: "possible" }
  /** No host has told its size yet. */
  | { readonly kind: "unknown" }
  | { readonly kind: "impossible"; readonly lacks: readonly Lack[] };

/** Too much of one thing for any host, or for any host that has enough of the other. */
export interface Lack {
  readonly what: "cpus" | "memoryBytes";
  /** Each host with what it lets machines take, for people. */
  readonly limits: string;
}

interface Limit {
  readonly host: string;
  readonly most: HostAmount;
  readonly capacity: HostAmount | undefined;
}

const both = ["cpus", "memoryBytes"] as const;
const mostNamed = 3;

/** `hosts`: those that come into question. */
export function fitOf(amount: HostAmount, hosts: readonly PlacementHost[], rules: PlacementRules | undefined): Fit {
  const limits: Limit[] = [];
  for (const { name, room, capacity } of hosts) {
    if (room.kind === "unlimited") return { kind: "possible" };
    if (room.kind === "unknown") continue;
    const most = mostOf(room, rules);
    if (both.every((what) => amount[what] <= most[what])) return { kind: "possible" };
    limits.push({ host: name, most, capacity });
  }
  // One that is not known may be large enough.
  if (limits.length < hosts.length || limits.length === 0) return { kind: hosts.length === 0 ? "possible" : "unknown" };
  const nowhere = both.filter((what) => limits.every(({ most }) => amount[what] > most[what]));
  return {
    kind: "impossible",
    lacks: (nowhere.length > 0 ? nowhere : both).map((what) => ({ what, limits: limitsOf(limits, what) })),
  };
}

function limitsOf(limits: readonly Limit[], what: Lack["what"]): string {
  const largest = limits.toSorted((a, b) => b.most[what] - a.most[what] || (a.host < b.host ? -1 : 1));
  const named = largest.slice(0, mostNamed).map(({ host, most, capacity }) => {
    const has = capacity === undefined ? "" : ` (has ${formatAmount(capacity[what], what)})`;
    return `${host} ${formatAmount(most[what], what)}${has}`;
  });
  const left = largest.length - named.length;
  return [...named, ...(left > 0 ? [`${left} more no larger`] : [])].join(", ");
}

export function formatAmount(amount: number, what: Lack["what"]): string {
  return what === "cpus" ? `${amount} CPUs` : `${Math.floor(amount / 1024 ** 2)} MiB`;
}
