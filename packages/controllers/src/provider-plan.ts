// Decides what to do next about a Provider. Pure: everything it needs is in the observation.

import { parseDuration } from "@vivarium/api";
import type { Provider } from "@vivarium/api";
import type { ProviderConfig } from "@vivarium/provider";
import type { ProviderHealth } from "./provider-health.ts";

export interface ProviderObservation {
  readonly nowMs: number;
  /** Undefined, or being deleted: gone. */
  readonly provider: Provider | undefined;
  /** Types that are built in. */
  readonly types: readonly string[];
  readonly secret:
    | { readonly kind: "not-wanted" }
    | { readonly kind: "missing"; readonly name: string }
    | { readonly kind: "found"; readonly entries: Readonly<Record<string, string>> };
  readonly isOpen: (config: ProviderConfig) => boolean;
  readonly health: ProviderHealth;
}

export type ProviderStep =
  /** Close what is open; there is nobody to report to. */
  | { readonly kind: "close" }
  /** Close what is open, and say why it cannot be used. */
  | { readonly kind: "refuse"; readonly reason: "UnsupportedProviderType" | "SecretNotFound"; readonly message: string }
  | { readonly kind: "open"; readonly config: ProviderConfig }
  | { readonly kind: "check"; readonly timeoutMs: number }
  /** Report the health as it is; look again at that time. */
  | { readonly kind: "report"; readonly nextCheckMs?: number };

const firstIntervalMs = 5_000;

export function decideProvider(observation: ProviderObservation): ProviderStep {
  const { provider, secret, health, nowMs } = observation;
  if (provider === undefined || provider.metadata.deletionTimestamp !== undefined) return { kind: "close" };
  const { type } = provider.spec;
  if (!observation.types.includes(type)) {
    const known = observation.types.join(", ");
    const message = `This build has no provider of type "${type}"; it has: ${known}`;
    return { kind: "refuse", reason: "UnsupportedProviderType", message };
  }
  if (secret.kind === "missing") {
    const message = `Secret "${secret.name}" (spec.credentialSecretRef) does not exist; it is used as soon as it does`;
    return { kind: "refuse", reason: "SecretNotFound", message };
  }
  const config = providerConfig(provider, secret.kind === "found" ? secret.entries : {});
  if (!observation.isOpen(config)) return { kind: "open", config };
  const check = healthCheckOf(provider);
  // One that never answered is asked more often: its first answer may take longer than a check waits.
  const intervalMs = health.info === undefined ? Math.min(check.intervalMs, firstIntervalMs) : check.intervalMs;
  const nextCheckMs = (health.checkedMs ?? 0) + intervalMs;
  if (health.isCheckDue || (check.isEnabled && nextCheckMs <= nowMs))
    return { kind: "check", timeoutMs: check.timeoutMs };
  return check.isEnabled || health.verdict === "unhealthy" ? { kind: "report", nextCheckMs } : { kind: "report" };
}

export function providerConfig(provider: Provider, credentials: Readonly<Record<string, string>>): ProviderConfig {
  return {
    endpoint: provider.spec.endpoint,
    credentials,
    pool: providerConfigPool(provider),
    timeoutMs: healthCheckOf(provider).timeoutMs,
  };
}

export function healthCheckOf(provider: Provider) {
  const { enabled, interval, timeout, failureThreshold, successThreshold } = provider.spec.healthCheck ?? {};
  return {
    isEnabled: enabled ?? true,
    // An interval of nothing would check without pause.
    intervalMs: Math.max(1_000, parseDuration(interval ?? "30s")),
    timeoutMs: Math.max(100, parseDuration(timeout ?? "10s")),
    failureThreshold: failureThreshold ?? 3,
    successThreshold: successThreshold ?? 1,
  };
}

/** Where all that VMs are made of lies. */
export function providerConfigPool(provider: Provider): string {
  return provider.spec.defaults?.datastore ?? "vivarium";
}
