// What a policy asks of a host by itself, whoever else is there. Pure.

import { regionLabel, zoneLabel } from "@vivarium/api";
import type { PlacementDemands } from "@vivarium/api";
import type { PlacementHost } from "./model.ts";

export interface HostDemand {
  /** The same words for all hosts that do not meet it. */
  readonly kind: string;
  /** Why the host does not meet it; undefined when it does. */
  readonly why: (host: PlacementHost) => string | undefined;
}

/** Lists that no host can be held against are named in `unknown`. */
export function demandsOf(
  demands: PlacementDemands | undefined,
  path: string,
  unknown: string[],
): readonly HostDemand[] {
  if (demands === undefined) return [];
  for (const field of ["folders", "resourcePools", "networks"] as const) {
    if ((demands[field] ?? []).length > 0) unknown.push(`${path}.${field} is not supported: no host says which it has`);
  }
  const found: (HostDemand | undefined)[] = [
    oneOf("host", demands.hosts, ({ name }) => name),
    oneOf("cluster", demands.clusters, ({ cluster }) => cluster),
    oneOf("datastore", demands.datastores, ({ datastore }) => datastore.name),
    oneOf("zone", demands.zones, ({ labels }) => labels[zoneLabel]),
    oneOf("region", demands.regions, ({ labels }) => labels[regionLabel]),
    noneOf("host", demands.excludedHosts, ({ name }) => name),
    noneOf("cluster", demands.excludedClusters, ({ cluster }) => cluster),
    noneOf("datastore", demands.excludedDatastores, ({ datastore }) => datastore.name),
    ...Object.entries(demands.nodeSelector ?? {}).map(([label, value]) => labelDemand(label, value)),
  ];
  return found.filter((demand) => demand !== undefined);
}

export function labelDemand(label: string, value: string): HostDemand {
  return {
    kind: "without a label",
    why: ({ labels }) => (labels[label] === value ? undefined : `its label ${label} is not "${value}"`),
  };
}

/** A list that is absent or empty asks for nothing. */
export function oneOf(
  what: string,
  names: readonly string[] | undefined,
  nameOf: (host: PlacementHost) => string | undefined,
): HostDemand | undefined {
  if (names === undefined || names.length === 0) return undefined;
  return {
    kind: `of another ${what} than the policy allows`,
    why: (host) => {
      const name = nameOf(host);
      if (name !== undefined && names.includes(name)) return undefined;
      return `its ${what} is ${name === undefined ? "not known" : `"${name}"`}, the policy allows ${names.join(", ")}`;
    },
  };
}

function noneOf(
  what: string,
  names: readonly string[] | undefined,
  nameOf: (host: PlacementHost) => string,
): HostDemand | undefined {
  if (names === undefined || names.length === 0) return undefined;
  return {
    kind: "excluded by the policy",
    why: (host) => (names.includes(nameOf(host)) ? `the policy excludes ${what} "${nameOf(host)}"` : undefined),
  };
}

/** Of those that this build does not know, a label says it. */
export function hasFeature({ features, labels }: PlacementHost, feature: string): boolean {
  return features.has(feature) || labels[`feature.vivarium.dev/${feature}`] === "true";
}
