// What is known of a provider's health, from checks and from connection events. Pure: each function gives the next state.

import type { HypervisorInfo, ProviderError } from "@vivarium/provider";

export interface ProviderHealth {
  readonly verdict: "unknown" | "healthy" | "unhealthy";
  /** In a row. */
  readonly failures: number;
  /** In a row. */
  readonly successes: number;
  readonly checkedMs?: number;
  /** A connection event, or a new connection, asks for a check now. */
  readonly isCheckDue: boolean;
  /** Of the last successful check. */
  readonly info?: HypervisorInfo;
  /** Of the last failure, until the next success. */
  readonly error?: ProviderError;
}

export interface HealthThresholds {
  readonly failureThreshold: number;
  readonly successThreshold: number;
}

export const unknownHealth: ProviderHealth = { verdict: "unknown", failures: 0, successes: 0, isCheckDue: true };

export function checkSucceeded(
  health: ProviderHealth,
  check: HealthThresholds & { readonly info: HypervisorInfo; readonly nowMs: number },
): ProviderHealth {
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
    info: check.info,
  };
}

/** One that was never healthy is unhealthy at its first failure; one that was, after as many as the threshold says. */
export function checkFailed(
  health: ProviderHealth,
  check: HealthThresholds & { readonly error: ProviderError; readonly nowMs: number },
): ProviderHealth {
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
  health: ProviderHealth,
  at: { readonly error: ProviderError; readonly nowMs: number },
): ProviderHealth {
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
export function connected(health: ProviderHealth): ProviderHealth {
  return { ...health, verdict: health.verdict === "unhealthy" ? "unknown" : health.verdict, isCheckDue: true };
}
