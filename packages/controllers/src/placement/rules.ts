// A VMPlacementPolicy as the scheduler follows it: either spelling of a rule in one form, and everything that cannot be kept named. Pure.

import { InvalidValueError, parseQuantity } from "@vivarium/api";
import type { Toleration, VMPlacementPolicy } from "@vivarium/api";
import { demandsOf, hasFeature } from "./demands.ts";
import type { HostDemand } from "./demands.ts";
import { affinitiesOf } from "./terms.ts";
import type { Term } from "./terms.ts";

export interface PlacementRules {
  readonly policy: string;
  /** What a host must be. */
  readonly demands: readonly HostDemand[];
  /** What counts for a host. */
  readonly wishes: readonly { readonly demand: HostDemand; readonly weight: number }[];
  readonly terms: readonly Term[];
  readonly tolerations: readonly Toleration[];
  /** Of what machines may take, percent. */
  readonly mostCpuPercent: number;
  readonly mostMemoryPercent: number;
  readonly needsSecureBoot: boolean;
  readonly needsTpm: boolean;
  /** Strict rules that cannot be kept: who follows the policy is refused. */
  readonly problems: readonly string[];
  /** Preferences that cannot be. */
  readonly warnings: readonly string[];
}

const defaultWeight = 50;
const compiled = new WeakMap<VMPlacementPolicy, PlacementRules>();

/** Objects of a cache never change, so each is read once. */
export function rulesOf(policy: VMPlacementPolicy): PlacementRules {
  const found = compiled.get(policy);
  if (found !== undefined) return found;
  const made = compile(policy);
  compiled.set(policy, made);
  return made;
}

function compile({ metadata, spec }: VMPlacementPolicy): PlacementRules {
  const { hard, soft, resourceConstraints: limits, securityConstraints: security } = spec;
  const problems: string[] = [];
  const warnings: string[] = [];
  const weight = spec.weight ?? defaultWeight;
  const affinities = affinitiesOf(spec, { weight, problems });
  const demands = [
    ...demandsOf(hard, "spec.hard", problems),
    ...affinities.demands,
    ...amountDemands(limits, problems),
    ...(limits?.requiredFeatures ?? []).map(featureDemand),
    ...(security?.requireSecureBoot === true ? [featureDemand("secureBoot")] : []),
    ...(security?.requireTPM === true ? [featureDemand("tpm")] : []),
  ];
  const wishes = [...demandsOf(soft, "spec.soft", warnings), ...(limits?.preferredFeatures ?? []).map(featureDemand)];
  if (soft?.tolerations !== undefined) warnings.push("spec.soft.tolerations: tolerations belong into spec.hard");
  refuseUnsupported(security, problems);
  return {
    policy: metadata.name,
    demands,
    wishes: [...wishes.map((demand) => ({ demand, weight })), ...affinities.wishes],
    terms: affinities.terms,
    tolerations: hard?.tolerations ?? [],
    mostCpuPercent: limits?.maxCPUUtilization ?? 100,
    mostMemoryPercent: limits?.maxMemoryUtilization ?? 100,
    needsSecureBoot: security?.requireSecureBoot === true,
    needsTpm: security?.requireTPM === true,
    problems,
    warnings,
  };
}

type Limits = VMPlacementPolicy["spec"]["resourceConstraints"];

function amountDemands(limits: Limits, problems: string[]): readonly HostDemand[] {
  const bytesOf = (field: "minMemoryPerHost" | "minDiskSpacePerHost"): number | undefined => {
    const text = limits?.[field];
    try {
      return text === undefined ? undefined : parseQuantity(text);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      problems.push(`spec.resourceConstraints.${field}: ${error.message}`);
      return undefined;
    }
  };
  const gib = (bytes: number): string => `${Math.floor((bytes / 1024 ** 3) * 10) / 10} GiB`;
  const demands: HostDemand[] = [];
  const cpus = limits?.minCPUPerHost;
  if (cpus !== undefined) {
    demands.push({
      kind: "too small",
      why: ({ capacity }) =>
        (capacity?.cpus ?? 0) >= cpus
          ? undefined
          : `it has ${capacity?.cpus ?? "an unknown number of"} CPUs, not ${cpus}`,
    });
  }
  const memory = bytesOf("minMemoryPerHost");
  if (memory !== undefined) {
    demands.push({
      kind: "too small",
      why: ({ capacity }) =>
        (capacity?.memoryBytes ?? 0) >= memory
          ? undefined
          : `it has ${capacity === undefined ? "an unknown amount" : gib(capacity.memoryBytes)} of memory, not ${gib(memory)}`,
    });
  }
  const disk = bytesOf("minDiskSpacePerHost");
  if (disk !== undefined) {
    demands.push({
      kind: "too little storage",
      why: ({ storage }) =>
        (storage?.availableBytes ?? 0) >= disk
          ? undefined
          : `its storage pool has ${storage === undefined ? "an unknown amount" : gib(storage.availableBytes)} free, not ${gib(disk)}`,
    });
  }
  const fullest = limits?.maxDiskUtilization;
  if (fullest !== undefined) {
    demands.push({
      kind: "too little storage",
      why: ({ storage }) => {
        if (storage === undefined) return "how full its storage pool is is not known";
        const percent = Math.ceil(
          (100 * (storage.totalBytes - storage.availableBytes)) / Math.max(1, storage.totalBytes),
        );
        return percent <= fullest ? undefined : `its storage pool is ${percent} % full, above ${fullest} %`;
      },
    });
  }
  return demands;
}

function featureDemand(feature: string): HostDemand {
  return {
    kind: `without ${feature}`,
    why: (host) => (hasFeature(host, feature) ? undefined : `it does not have ${feature}`),
  };
}

function refuseUnsupported(security: VMPlacementPolicy["spec"]["securityConstraints"], problems: string[]): void {
  const refuse = (field: string): void => void problems.push(`spec.securityConstraints.${field} is not supported`);
  if (security?.requireEncryptedStorage === true) refuse("requireEncryptedStorage");
  if (security?.requireNUMATopology === true) refuse("requireNUMATopology");
  if ((security?.allowedSecurityGroups ?? []).length > 0) refuse("allowedSecurityGroups");
  if ((security?.deniedSecurityGroups ?? []).length > 0) refuse("deniedSecurityGroups");
  if ((security?.isolationLevel ?? "none") !== "none") refuse("isolationLevel");
  if ((security?.trustLevel ?? "untrusted") !== "untrusted") refuse("trustLevel");
}
