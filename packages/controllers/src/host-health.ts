// What is known of the health of a host, from checks and from connection events. Pure: each function gives the next state.

import type { DomainSummary, HostDetails, HypervisorInfo, ProviderError } from "@vivarium/provider";

/** What a successful check tells. */
export interface HostFindings {
  readonly info: HypervisorInfo;
  /** Absent where the hypervisor does not tell. */
  readonly details?: HostDetails;
  readonly domains?: readonly DomainSummary[];
}

export interface HostHealth {
  readonly verdict: "unknown" | "healthy" | "unhealthy";
  /** In a row. */
  readonly failures: number;
  /** In a row. */
  readonly successes: number;
  readonly checkedMs?: number;
  /** A connection event, or a new connection, asks for a check now. */
  readonly isCheckDue: boolean;
  /** Of the last successful check. */
  readonly findings?: HostFindings;
  /** Of the last failure, until the next success. */
  readonly error?: ProviderError;
}

export interface HealthThresholds {
  readonly failureThreshold: number;
  readonly successThreshold: number;
}

export const unknownHealth: HostHealth = { verdict: "unknown", failures: 0, successes: 0, isCheckDue: true };

export function checkSucceeded(
  health: HostHealth,
  check: HealthThresholds & { readonly findings: HostFindings; readonly nowMs: number },
): HostHealth {
  const { error, ...rest } = health;
  const successes = health.successes + 1;
  const isHealthy = health.verdict !== "unhealthy" || successes >= check.successThreshold;
  return {
    ...rest,
    ...(isHealthy || error === undefined ? {} : { error }),
    verdict: isHealthy ? "healthy" : "unhealthy",
    failures: 0,
    successes,
    checkedMs: check.nowMs,
    isCheckDue: false,
    findings: check.findings,
  };
}

/** One that was never healthy is unhealthy at its first failure; one that was, after as many as the threshold says. */
export function checkFailed(
  health: HostHealth,
  check: HealthThresholds & { readonly error: ProviderError; readonly nowMs: number },
): HostHealth {
  const failures = health.failures + 1;
  const isHealthy = health.verdict === "healthy" && failures < check.failureThreshold;
  return {
    ...health,
    verdict: isHealthy ? "healthy" : "unhealthy",
    failures,
    successes: 0,
    checkedMs: check.nowMs,
    isCheckDue: false,
    error: check.error,
  };
}

/** The connection is gone: no threshold, this is certain. */
export function disconnected(
  health: HostHealth,
  at: { readonly error: ProviderError; readonly nowMs: number },
): HostHealth {
  return {
    ...health,
    verdict: "unhealthy",
    failures: health.failures + 1,
    successes: 0,
    checkedMs: at.nowMs,
    isCheckDue: false,
    error: at.error,
  };
}

/** The connection is back: a single good check is enough, whatever the threshold. */
export function connected(health: HostHealth): HostHealth {
  return { ...health, verdict: health.verdict === "unhealthy" ? "unknown" : health.verdict, isCheckDue: true };
}
