// The choice of a host: filter, score, take the best. The same input gives the same choice, whatever the order of hosts and machines. Pure.

import { crowdOf, obstaclesTo, untolerated } from "./filter.ts";
import type { Crowd, Surroundings } from "./filter.ts";
import type { HostVerdict, Placement, PlacementHost, PlacementWish } from "./model.ts";
import type { PlacementRules } from "./rules.ts";

const avoidWeight = 50;

/** `isMeant`: hosts that are no candidates still count for what is around. */
export function schedule(
  wish: PlacementWish,
  around: Surroundings,
  isMeant: (host: string) => boolean = () => true,
): Placement {
  const rules = around.rulesOf(wish.machine);
  const crowd = crowdOf(wish.machine, rules, around);
  const verdicts = around.hosts
    .filter(({ name }) => isMeant(name))
    .map((host) => verdictOn(host, wish, { rules, crowd }))
    .toSorted((a, b) => (a.host < b.host ? -1 : 1));
  const problems = problemsOf(wish, around, rules);
  if (problems.length > 0) return { kind: "none", verdicts, problems };
  const [best] = verdicts.filter(({ obstacles }) => obstacles.length === 0).toSorted(better(around));
  if (best === undefined) return { kind: "none", verdicts, problems };
  return { kind: "chosen", host: best.host, verdicts };
}

/** What is preferred comes first, then what is freer, then the name. */
function better({ hosts }: Surroundings): (a: HostVerdict, b: HostVerdict) => number {
  const free = new Map(hosts.map((host) => [host.name, freeBytes(host)]));
  return (a, b) =>
    b.preference - a.preference ||
    b.freePercent - a.freePercent ||
    (free.get(b.host) ?? 0) - (free.get(a.host) ?? 0) ||
    (a.host < b.host ? -1 : 1);
}

function freeBytes({ room, taken }: PlacementHost): number {
  return room.kind === "limited" ? room.memoryBytes - taken.memoryBytes : 0;
}

function verdictOn(
  host: PlacementHost,
  wish: PlacementWish,
  { rules, crowd }: { readonly rules: PlacementRules | undefined; readonly crowd: Crowd },
): HostVerdict {
  return {
    host: host.name,
    obstacles: obstaclesTo(wish, host, { rules, crowd }),
    preference: preferenceFor(host, wish, { rules, crowd }),
    freePercent: freePercentAfter(host, wish),
  };
}

function preferenceFor(
  host: PlacementHost,
  wish: PlacementWish,
  { rules, crowd }: { readonly rules: PlacementRules | undefined; readonly crowd: Crowd },
): number {
  const tolerations = [...wish.tolerations, ...(rules?.tolerations ?? [])];
  const avoided = untolerated(host.taints, tolerations, ["PreferNoSchedule"]).length * -avoidWeight;
  const met = (rules?.wishes ?? []).reduce(
    (sum, { demand, weight }) => sum + (demand.why(host) === undefined ? weight : 0),
    0,
  );
  const company = (rules?.terms ?? []).reduce((sum, term) => {
    if (term.weight === undefined) return sum;
    const domain = term.domainOf(host);
    const others = domain === undefined ? 0 : (crowd.counts.get(term)?.get(domain) ?? 0);
    if (term.kind === "together") return sum + (others > 0 ? term.weight : 0);
    // Each one too many counts, so that machines are spread evenly where they cannot be apart.
    return sum - term.weight * Math.max(0, others - term.mostOthers);
  }, 0);
  return avoided + met + company;
}

/** The mean of CPUs and memory, so that neither runs out long before the other. */
function freePercentAfter({ room, taken }: PlacementHost, { amount }: PlacementWish): number {
  if (room.kind !== "limited") return 0;
  const share = (whole: number, used: number): number => (whole <= 0 ? 0 : Math.max(0, (whole - used) / whole));
  const cpus = share(room.cpus, taken.cpus + amount.cpus);
  const memory = share(room.memoryBytes, taken.memoryBytes + amount.memoryBytes);
  return Math.floor(50 * (cpus + memory));
}

function problemsOf(
  wish: PlacementWish,
  { hosts }: Surroundings,
  rules: PlacementRules | undefined,
): readonly string[] {
  const policy = `VMPlacementPolicy "${rules?.policy ?? ""}"`;
  const isThere = wish.host === undefined || hosts.some(({ name }) => name === wish.host);
  const names = hosts.map(({ name }) => name).join(", ");
  return [
    ...wish.problems,
    ...(isThere ? [] : [`spec.placement.host names "${wish.host ?? ""}"; there are ${names}`]),
    ...(rules?.problems ?? []).map((problem) => `${policy} cannot be followed: ${problem}`),
    ...(rules?.needsSecureBoot === true && !wish.hasSecureBoot
      ? [`${policy} demands secure boot, which the VM's class does not have`]
      : []),
    ...(rules?.needsTpm === true && !wish.hasTpm
      ? [`${policy} demands a TPM, which the VM's class does not have`]
      : []),
  ];
}
