// Which hosts can take a machine: for each all reasons why not. Pure.

import type { Taint, Toleration } from "@vivarium/api";
import { labelDemand } from "./demands.ts";
import type { HostAmount, Machine, Obstacle, PlacedMachine, PlacementHost, PlacementWish } from "./model.ts";
import type { PlacementRules } from "./rules.ts";
import type { LabelsOf, Term } from "./terms.ts";

/** The hosts among which is chosen, and what is on them. */
export interface Surroundings {
  readonly hosts: readonly PlacementHost[];
  readonly machines: () => readonly PlacedMachine[];
  /** Of these, the ones that follow a policy. Most placements need no others. */
  readonly followers: () => readonly PlacedMachine[];
  /** Of machines whose policy keeps others away, these rules. */
  readonly rulesOf: (machine: Machine) => PlacementRules | undefined;
  readonly labelsOf: LabelsOf;
}

/** What is the same for all hosts, found once. */
export interface Crowd {
  /** Of each of the policy's terms, how many other machines it means are in each domain. */
  readonly counts: ReadonlyMap<Term, ReadonlyMap<string, number>>;
  /** Terms that mean the machine itself: as the first one it may be anywhere. */
  readonly own: ReadonlySet<Term>;
  /** By host: machines that do not want this one beside them. */
  readonly unwelcome: ReadonlyMap<string, string>;
}

export function crowdOf(machine: Machine, rules: PlacementRules | undefined, around: Surroundings): Crowd {
  const hosts = new Map(around.hosts.map((host) => [host.name, host]));
  const terms = rules?.terms ?? [];
  const isOther = ({ uid }: Machine): boolean => uid !== machine.uid;
  const others = terms.length === 0 ? [] : around.machines().filter(isOther);
  const counts = new Map<Term, Map<string, number>>();
  for (const term of terms) {
    const count = new Map<string, number>();
    for (const other of others) {
      const host = hosts.get(other.host);
      const domain = host && term.domainOf(host);
      if (domain === undefined || !term.selects(machine, other, around.labelsOf)) continue;
      count.set(domain, (count.get(domain) ?? 0) + 1);
    }
    counts.set(term, count);
  }
  const own = new Set([...counts.keys()].filter((term) => term.selects(machine, machine, around.labelsOf)));
  return { counts, own, unwelcome: unwelcomeOn(machine, around.followers().filter(isOther), around) };
}

function unwelcomeOn(
  machine: Machine,
  others: readonly PlacedMachine[],
  { hosts, rulesOf, labelsOf }: Surroundings,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const other of others) {
    const terms = rulesOf(other)?.terms.filter((term) => term.isMutual && term.weight === undefined) ?? [];
    const its = terms.length === 0 ? undefined : hosts.find(({ name }) => name === other.host);
    if (its === undefined) continue;
    for (const term of terms) {
      const domain = term.domainOf(its);
      if (domain === undefined || !term.selects(other, machine, labelsOf)) continue;
      for (const host of hosts) {
        if (term.domainOf(host) !== domain || found.has(host.name)) continue;
        found.set(host.name, `machine "${other.name}" is in the same ${term.what}, and its policy keeps this one away`);
      }
    }
  }
  return found;
}

/** None: the host can take the machine. */
export function obstaclesTo(
  wish: PlacementWish,
  host: PlacementHost,
  { rules, crowd }: { readonly rules: PlacementRules | undefined; readonly crowd: Crowd },
): readonly Obstacle[] {
  if (wish.host !== undefined && wish.host !== host.name) {
    return [{ kind: "not the one that is named", message: `spec.placement.host names "${wish.host}"` }];
  }
  return [
    ...(wish.host === undefined ? closedTo(wish, host, rules) : []),
    ...ruledOut(wish, host, { rules, crowd }),
    ...shortOf(wish.amount, host, rules),
  ];
}

/** What a user who names the host overrides. */
function closedTo(wish: PlacementWish, host: PlacementHost, rules: PlacementRules | undefined): readonly Obstacle[] {
  const tolerations = [...wish.tolerations, ...(rules?.tolerations ?? [])];
  return [
    ...(host.isUnschedulable ? [{ kind: "unschedulable", message: "it is unschedulable" }] : []),
    ...(host.notReady === undefined ? [] : [{ kind: "not ready", message: `it is not ready (${host.notReady})` }]),
    ...untolerated(host.taints, tolerations, ["NoSchedule", "NoExecute"]).map(taintObstacle),
  ];
}

/** What holds for as long as the machine is there: the rules of its policy and of the machines around it. */
export function ruledOut(
  wish: Pick<PlacementWish, "selector" | "hasSecureBoot" | "hasTpm">,
  host: PlacementHost,
  { rules, crowd }: { readonly rules: PlacementRules | undefined; readonly crowd: Crowd },
): readonly Obstacle[] {
  const selected = Object.entries(wish.selector).map(([label, value]) => labelDemand(label, value));
  const unwelcome = crowd.unwelcome.get(host.name);
  return [
    ...[...selected, ...(rules?.demands ?? [])].flatMap(({ kind, why }) => {
      const message = why(host);
      return message === undefined ? [] : [{ kind, message }];
    }),
    ...(rules?.terms ?? []).flatMap((term) => (term.weight === undefined ? termObstacle(term, host, crowd) : [])),
    ...(unwelcome === undefined ? [] : [{ kind: "with machines that want to be apart", message: unwelcome }]),
  ];
}

function termObstacle(term: Term, host: PlacementHost, crowd: Crowd): readonly Obstacle[] {
  const counts = crowd.counts.get(term) ?? new Map<string, number>();
  const domain = term.domainOf(host);
  const here = domain === undefined ? 0 : (counts.get(domain) ?? 0);
  switch (term.kind) {
    case "apart": {
      // Where nothing is compared, nothing is the same.
      if (domain === undefined || here <= term.mostOthers) return [];
      const others = here === 1 ? "1 machine of it is" : `${here} machines of it are`;
      return [
        { kind: "with machines to be apart from", message: `${others} in the same ${term.what} (${term.field})` },
      ];
    }
    case "together": {
      if (here > 0 || (counts.size === 0 && crowd.own.has(term))) return [];
      const where = counts.size === 0 ? "nowhere" : `in ${term.what} ${[...counts.keys()].toSorted().join(", ")}`;
      const message = `the machines to be together with are ${where} (${term.field})`;
      return [{ kind: "without the machines to be together with", message }];
    }
  }
}

/** What of the host is left, and what the machine wants. */
export function shortOf(
  amount: HostAmount,
  host: PlacementHost,
  rules: Pick<PlacementRules, "mostCpuPercent" | "mostMemoryPercent"> | undefined,
): readonly Obstacle[] {
  switch (host.room.kind) {
    case "unlimited":
      return [];
    case "unknown":
      return [{ kind: "of unknown size", message: "its size is not known yet" }];
    case "limited": {
      const most = mostOf(host.room, rules);
      const freeMemory = most.memoryBytes - host.taken.memoryBytes;
      const freeCpus = most.cpus - host.taken.cpus;
      return [
        ...(amount.memoryBytes <= freeMemory
          ? []
          : [
              {
                kind: "with too little memory",
                message: `it has ${inMiB(freeMemory)} of memory left of ${inMiB(most.memoryBytes)}, the VM wants ${inMiB(amount.memoryBytes)}`,
              },
            ]),
        ...(amount.cpus <= freeCpus
          ? []
          : [
              {
                kind: "with too few CPUs",
                message: `it has ${Math.max(0, freeCpus)} CPUs left of ${most.cpus}, the VM wants ${amount.cpus}`,
              },
            ]),
      ];
    }
  }
}

/** What of a host machines may take under a policy. */
export function mostOf(
  room: HostAmount,
  rules: Pick<PlacementRules, "mostCpuPercent" | "mostMemoryPercent"> | undefined,
): HostAmount {
  return {
    cpus: Math.floor((room.cpus * (rules?.mostCpuPercent ?? 100)) / 100),
    memoryBytes: Math.floor((room.memoryBytes * (rules?.mostMemoryPercent ?? 100)) / 100),
  };
}

export function untolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  effects: readonly Taint["effect"][],
): readonly Taint[] {
  return taints.filter(
    (taint) => effects.includes(taint.effect) && !tolerations.some((toleration) => isTolerated(taint, toleration)),
  );
}

/** As core/v1 Toleration: without a key, `Exists` tolerates all. */
function isTolerated(taint: Taint, { key, operator = "Equal", value = "", effect }: Toleration): boolean {
  if (effect !== undefined && effect !== taint.effect) return false;
  if (operator === "Exists") return key === undefined || key === "" || key === taint.key;
  return key === taint.key && value === (taint.value ?? "");
}

export function taintObstacle({ key, value, effect }: Taint): Obstacle {
  const taint = `${key}${value === undefined ? "" : `=${value}`}:${effect}`;
  return { kind: "with a taint that is not tolerated", message: `its taint ${taint} is not tolerated` };
}

function inMiB(bytes: number): string {
  return `${Math.max(0, Math.floor(bytes / 1024 ** 2))} MiB`;
}
