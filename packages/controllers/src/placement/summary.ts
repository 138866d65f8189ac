// What is told of a placement that failed: how many hosts for which reason, and of the first few what exactly. Pure.

import type { HostVerdict, Placement } from "./model.ts";

const mostDetails = 5;

/** As kube-scheduler's: "0/3 hosts can take the VM: 2 unschedulable, 1 with too little memory (…)". */
export function summaryOf({ verdicts, problems }: Extract<Placement, { kind: "none" }>): string {
  if (problems.length > 0) return problems.join("; ");
  const counts = new Map<string, number>();
  for (const { obstacles } of verdicts) {
    for (const kind of new Set(obstacles.map((each) => each.kind))) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sums = [...counts]
    .toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([kind, count]) => `${count} ${kind}`);
  return `0/${verdicts.length} hosts can take the VM: ${sums.join(", ")} (${detailsOf({ verdicts, problems })})`;
}

/** Of the first few hosts what exactly. */
export function detailsOf({
  verdicts,
  problems,
}: Pick<Extract<Placement, { kind: "none" }>, "verdicts" | "problems">): string {
  if (problems.length > 0) return problems.join("; ");
  const details = verdicts.slice(0, mostDetails).map(detailOf);
  const more = verdicts.length > mostDetails ? [`${verdicts.length - mostDetails} more`] : [];
  return [...details, ...more].join("; ");
}

function detailOf({ host, obstacles }: HostVerdict): string {
  return `${host}: ${obstacles.map(({ message }) => message).join(", ")}`;
}
