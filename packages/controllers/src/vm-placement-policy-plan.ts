// What is said of a VMPlacementPolicy: whether it can be followed, who follows it, and who is where it does not allow. Pure.

import { findCondition, formatTime, setCondition } from "@vivarium/api";
import type { Condition, VMPlacementPolicy, VMPlacementPolicyStatus } from "@vivarium/api";
import type { PlacementRules } from "./placement/rules.ts";
import { observedGenerationOf } from "./verdict.ts";
import type { Verdict } from "./verdict.ts";

/** A VM that follows the policy. */
export interface Follower {
  readonly name: string;
  /** Undefined while it is on none. */
  readonly host: string | undefined;
  /** No host can take it. */
  readonly isRefused: boolean;
  /** Which rules of the policy it breaks where it is. */
  readonly broken: readonly string[];
}

export interface PolicyReport {
  readonly rules: PlacementRules;
  readonly followers: readonly Follower[];
  /** Names of the Providers of its namespace. */
  readonly providers: readonly string[];
  readonly nowMs: number;
}

const mostUsers = 1000;
const mostViolations = 100;

/** For the VM itself. */
export function placementVerdict(policy: string, { broken, host }: Follower): Verdict | undefined {
  if (host === undefined) return undefined;
  if (broken.length === 0) {
    return { status: "True", reason: "Satisfied", message: `VMPlacementPolicy "${policy}" allows host "${host}"` };
  }
  const message = `VMPlacementPolicy "${policy}" does not allow host "${host}" any more: ${broken.join(", ")}. viv rebalance plans the move`;
  return { status: "False", reason: "Violated", message };
}

export function policyStatus(policy: VMPlacementPolicy, report: PolicyReport): VMPlacementPolicyStatus {
  const { followers, nowMs } = report;
  const old = policy.status;
  const placed = followers.filter(({ host }) => host !== undefined);
  const violations = placed.filter(({ broken }) => broken.length > 0);
  const oldStats = old?.placementStats;
  const isMore = placed.length > (oldStats?.successfulPlacements ?? 0);
  const lastPlacementTime = isMore ? formatTime(new Date(nowMs)) : oldStats?.lastPlacementTime;
  return {
    usedByVMs: followers.slice(0, mostUsers).map(({ name }) => ({ name })),
    placementStats: {
      totalPlacements: followers.length,
      successfulPlacements: placed.length,
      failedPlacements: followers.filter(({ isRefused }) => isRefused).length,
      constraintViolations: violations.length,
      ...(lastPlacementTime === undefined ? {} : { lastPlacementTime }),
      placementDistribution: distributionOf(placed),
    },
    ...(violations.length === 0
      ? {}
      : {
          violations: violations
            .slice(0, mostViolations)
            .map(({ name, host = "", broken }) => ({ vm: name, host, message: broken.join(", ") })),
        }),
    ...validationOf(policy, report),
    ...observedGenerationOf(policy),
    conditions: conditionsOf(policy, { ...report, violations }),
  };
}

function distributionOf(placed: readonly Follower[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { host = "" } of placed) counts[host] = (counts[host] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function validationOf(
  policy: VMPlacementPolicy,
  { rules, providers, nowMs }: PolicyReport,
): Pick<VMPlacementPolicyStatus, "validationResults"> {
  if (providers.length === 0) return {};
  const { problems, warnings } = rules;
  const isValid = problems.length === 0;
  const results = providers.map((name) => {
    const old = policy.status?.validationResults?.[name];
    const isSame = old?.errors?.join() === (isValid ? undefined : problems.join()) && old?.valid === isValid;
    return [
      name,
      {
        valid: isValid,
        ...(isValid ? {} : { message: problems[0] ?? "", errors: [...problems] }),
        ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
        lastValidated: (isSame ? old?.lastValidated : undefined) ?? formatTime(new Date(nowMs)),
      },
    ] as const;
  });
  return { validationResults: Object.fromEntries(results) };
}

function conditionsOf(
  policy: VMPlacementPolicy,
  { rules, violations, nowMs }: PolicyReport & { readonly violations: readonly Follower[] },
): Condition[] {
  const { problems, warnings } = rules;
  const observed = observedGenerationOf(policy);
  const ready: Verdict =
    problems.length === 0
      ? { status: "True", reason: "Valid", message: ["It can be followed", ...warnings].join("; ") }
      : { status: "False", reason: "Unsupported", message: `No VM can follow it: ${problems.join("; ")}` };
  const names = violations.map(({ name }) => name).join(", ");
  const satisfied: Verdict =
    violations.length === 0
      ? { status: "True", reason: "Satisfied", message: "Every VM that follows it is where it may be" }
      : {
          status: "False",
          reason: "Violated",
          message: `Where it does not allow them are: ${names}. viv rebalance plans the moves`,
        };
  let conditions = policy.status?.conditions;
  for (const condition of [
    { type: "Ready", ...ready, ...observed },
    { type: "Satisfied", ...satisfied, ...observed },
  ]) {
    conditions = setCondition(conditions, condition, { now: new Date(nowMs) });
  }
  return conditions ?? [];
}

/** Whether a violation is to be told as an Event. */
export function isNewlyViolated(policy: VMPlacementPolicy, status: VMPlacementPolicyStatus): boolean {
  const statusOf = (from: VMPlacementPolicyStatus | undefined) => findCondition(from?.conditions, "Satisfied")?.status;
  return statusOf(status) === "False" && statusOf(policy.status) !== "False";
}
