// Decides what to do next about a host of a Provider. Pure: everything it needs is in the observation.

import { InvalidValueError } from "@vivarium/api";
import type { Provider } from "@vivarium/api";
import type { HostHealth } from "./host-health.ts";
import type { HostConnection } from "./open-providers.ts";
import { healthCheckOf, providerConfig } from "./provider-config.ts";
import type { DeclaredHost } from "./provider-config.ts";

export interface HostObservation {
  readonly nowMs: number;
  /** Undefined: the Host is gone or being deleted, or no Provider has it any more. */
  readonly declared: { readonly provider: Provider; readonly host: DeclaredHost } | undefined;
  /** Types that are built in. */
  readonly types: readonly string[];
  readonly secret:
    | { readonly kind: "not-wanted" }
    | { readonly kind: "missing"; readonly name: string }
    | { readonly kind: "found"; readonly entries: Readonly<Record<string, string>> };
  readonly isOpen: (connection: HostConnection) => boolean;
  readonly health: HostHealth;
  /** Something happened to its domains: they are counted again at this time. */
  readonly recountAtMs?: number;
}

export interface Refusal {
  readonly reason: "UnsupportedProviderType" | "SecretNotFound" | "InvalidSpec";
  readonly message: string;
}

export type HostStep =
  /** Close what is open; there is nobody to report to. */
  | { readonly kind: "close" }
  /** Close what is open, and say why it cannot be used. */
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  | { readonly kind: "open"; readonly connection: HostConnection }
  | { readonly kind: "check"; readonly timeoutMs: number }
  /** Report the health as it is; look again at that time. */
  | { readonly kind: "report"; readonly nextCheckMs?: number; readonly lookAgainAtMs?: number };

const firstIntervalMs = 5_000;

export function decideHost(observation: HostObservation): HostStep {
  const { declared, secret, health, nowMs } = observation;
  if (declared === undefined) return { kind: "close" };
  const { provider, host } = declared;
  const { type } = provider.spec;
  if (!observation.types.includes(type)) {
    const known = observation.types.join(", ");
    const message = `This build has no provider of type "${type}"; it has: ${known}`;
    return { kind: "refuse", refusal: { reason: "UnsupportedProviderType", message } };
  }
  if (provider.spec.endpoint !== undefined && provider.spec.hosts !== undefined) {
    const message = "spec.endpoint and spec.hosts exclude each other: give the endpoint a name among the hosts";
    return { kind: "refuse", refusal: { reason: "InvalidSpec", message } };
  }
  if (host.policy instanceof InvalidValueError) {
    return { kind: "refuse", refusal: { reason: "InvalidSpec", message: `spec.hostPolicy: ${host.policy.message}` } };
  }
  if (secret.kind === "missing") {
    const message = `Secret "${secret.name}" (spec.credentialSecretRef) does not exist; it is used as soon as it does`;
    return { kind: "refuse", refusal: { reason: "SecretNotFound", message } };
  }
  const config = providerConfig(provider, host, secret.kind === "found" ? secret.entries : {});
  const connection = { type, config, isFirst: host.isFirst };
  if (!observation.isOpen(connection)) return { kind: "open", connection };
  const check = healthCheckOf(provider);
  // One that never answered is asked more often: its first answer may take longer than a check waits.
  const intervalMs = health.findings === undefined ? Math.min(check.intervalMs, firstIntervalMs) : check.intervalMs;
  const nextCheckMs = (health.checkedMs ?? 0) + intervalMs;
  const recountAtMs = health.verdict === "healthy" ? observation.recountAtMs : undefined;
  const isDue = health.isCheckDue || (check.isEnabled && nextCheckMs <= nowMs);
  if (isDue || (recountAtMs !== undefined && recountAtMs <= nowMs))
    return { kind: "check", timeoutMs: check.timeoutMs };
  const isChecked = check.isEnabled || health.verdict === "unhealthy";
  const times = [...(isChecked ? [nextCheckMs] : []), ...(recountAtMs === undefined ? [] : [recountAtMs])];
  return {
    kind: "report",
    ...(isChecked ? { nextCheckMs } : {}),
    ...(times.length === 0 ? {} : { lookAgainAtMs: Math.min(...times) }),
  };
}
