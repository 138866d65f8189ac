// What a Provider object says about reaching its hosts and watching them, with the defaults where it says nothing. Pure.

import { InvalidValueError, parseDuration } from "@vivarium/api";
import type { Provider, ProviderSpec, Secret } from "@vivarium/api";
import type { ProviderConfig } from "@vivarium/provider";
import { readAmount } from "./read-amount.ts";

/** A host as its Provider declares it. */
export interface DeclaredHost {
  /** Also the name of its Host object. */
  readonly name: string;
  readonly endpoint: string;
  readonly credentialSecretRef?: { readonly name: string; readonly namespace?: string };
  readonly migrationAddress?: string;
  /** Put on its Host object. */
  readonly labels: Readonly<Record<string, string>>;
  readonly policy: HostPolicy | InvalidValueError;
  readonly isFirst: boolean;
}

/** How much of a host machines may take. */
export interface HostPolicy {
  readonly reservedCpus: number;
  readonly reservedMemoryBytes: number;
  readonly cpuOvercommitPercent: number;
  readonly memoryOvercommitPercent: number;
}

/** The first is the one that is meant where none is named. A Provider with one endpoint has one host, of the Provider's name. */
export function hostsOf(provider: Provider): readonly DeclaredHost[] {
  const { endpoint, hosts, credentialSecretRef, hostPolicy } = provider.spec;
  const declared: readonly NamedHost[] =
    hosts ?? (endpoint === undefined ? [] : [{ name: provider.metadata.name, endpoint }]);
  return declared.map((host, index) => {
    const secret = host.credentialSecretRef ?? credentialSecretRef;
    return {
      name: host.name,
      endpoint: host.endpoint,
      ...(secret === undefined ? {} : { credentialSecretRef: secret }),
      ...(host.migrationAddress === undefined ? {} : { migrationAddress: host.migrationAddress }),
      labels: host.labels ?? {},
      policy: policyOf({ ...hostPolicy, ...host.policy }),
      isFirst: index === 0,
    };
  });
}

/** Whether guests there go out by the network of the machine that this runs on. */
export function isOnThisMachine({ endpoint }: Pick<DeclaredHost, "endpoint">): boolean {
  return URL.parse(endpoint)?.hostname === "";
}

type NamedHost = NonNullable<ProviderSpec["hosts"]>[number];

/** An error where it says what is no amount of memory. */
function policyOf(declared: ProviderSpec["hostPolicy"]): HostPolicy | InvalidValueError {
  const reserved = readAmount(declared?.reservedMemory ?? 0, { field: "reservedMemory", mayBeNothing: true });
  if (!reserved.ok) return new InvalidValueError(reserved.message);
  return {
    reservedCpus: declared?.reservedCpus ?? 0,
    reservedMemoryBytes: reserved.value,
    cpuOvercommitPercent: declared?.cpuOvercommitPercent ?? 400,
    memoryOvercommitPercent: declared?.memoryOvercommitPercent ?? 100,
  };
}

export function credentialsIn(secret: Secret): Readonly<Record<string, string>> {
  const decode = ([name, value]: [string, string]): [string, string] => [name, Buffer.from(value, "base64").toString()];
  return Object.fromEntries(Object.entries(secret.data ?? {}).map(decode));
}

export function providerConfig(
  provider: Provider,
  host: Pick<DeclaredHost, "endpoint" | "migrationAddress">,
  credentials: Readonly<Record<string, string>>,
): ProviderConfig {
  return {
    endpoint: host.endpoint,
    credentials,
    ...(host.migrationAddress === undefined ? {} : { migrationAddress: host.migrationAddress }),
    pool: providerConfigPool(provider),
    ...(provider.spec.allowDomainOverlay === true ? { allowsOverlay: true } : {}),
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
