// Affinity and anti-affinity of a policy, whichever way they are written, in one form: terms say which other machines are meant, what of the
// hosts is compared, and whether it shall be the same or differ. Pure.

import { zoneLabel } from "@vivarium/api";
import type { PlacementTerm, VMPlacementPolicySpec } from "@vivarium/api";
import { whyNotSelected } from "../vm-set/label-selector.ts";
import { oneOf } from "./demands.ts";
import type { HostDemand } from "./demands.ts";
import type { Labels, Machine, PlacementHost } from "./model.ts";
import { spreadOf } from "./spread.ts";

export interface Term {
  /** The field that says it. */
  readonly field: string;
  readonly kind: "together" | "apart";
  /** Undefined: never broken; else how much it counts. */
  readonly weight: number | undefined;
  /** What is compared, for people. */
  readonly what: string;
  /** Undefined: the host has none. */
  readonly domainOf: (host: PlacementHost) => string | undefined;
  /** Whether `other` is meant, for a machine that follows the policy. `labelsOf`: of a namespace. */
  readonly selects: (self: Machine, other: Machine, labelsOf: LabelsOf) => boolean;
  /** apart: how many others may be in the same domain. */
  readonly mostOthers: number;
  /** apart: whether it also keeps others away from a machine that follows the policy. */
  readonly isMutual: boolean;
}

export type LabelsOf = (namespace: string) => Labels;

export interface Affinities {
  readonly terms: readonly Term[];
  readonly demands: readonly HostDemand[];
  readonly wishes: readonly { readonly demand: HostDemand; readonly weight: number }[];
}

const hostnameLabel = "kubernetes.io/hostname";

interface Level {
  readonly what: string;
  readonly nameOf: (host: PlacementHost) => string | undefined;
  readonly domainOf: Term["domainOf"];
  readonly affinity: keyof NonNullable<VMPlacementPolicySpec["affinity"]>;
  readonly names: string;
  readonly antiAffinity: keyof NonNullable<VMPlacementPolicySpec["antiAffinity"]>;
  readonly most: string;
}

const zoneOf = ({ labels }: PlacementHost) => labels[zoneLabel];
const levels: readonly Level[] = [
  {
    what: "host",
    nameOf: ({ name }) => name,
    domainOf: ({ name }) => name,
    affinity: "hostAffinity",
    names: "preferredHosts",
    antiAffinity: "hostAntiAffinity",
    most: "maxVMsPerHost",
  },
  {
    what: "cluster",
    nameOf: ({ cluster }) => cluster,
    domainOf: ({ cluster }) => cluster,
    affinity: "clusterAffinity",
    names: "preferredClusters",
    antiAffinity: "clusterAntiAffinity",
    most: "maxVMsPerCluster",
  },
  {
    what: "datastore",
    nameOf: ({ datastore }) => datastore.name,
    domainOf: ({ datastore }) => datastore.id,
    affinity: "datastoreAffinity",
    names: "preferredDatastores",
    antiAffinity: "datastoreAntiAffinity",
    most: "maxVMsPerDatastore",
  },
  {
    what: "zone",
    nameOf: zoneOf,
    domainOf: zoneOf,
    affinity: "zoneAffinity",
    names: "preferredZones",
    antiAffinity: "zoneAntiAffinity",
    most: "maxVMsPerZone",
  },
];

const isOfSamePolicy: Term["selects"] = (self, other) =>
  self.namespace === other.namespace && self.policy === other.policy;

export function affinitiesOf(
  { affinity, antiAffinity }: VMPlacementPolicySpec,
  { weight, problems }: { readonly weight: number; readonly problems: string[] },
): Affinities {
  const terms: Term[] = [];
  const demands: HostDemand[] = [];
  const wishes: Affinities["wishes"][number][] = [];
  for (const { what, domainOf, nameOf, ...level } of levels) {
    const field = `spec.affinity.${level.affinity}`;
    const near = spreadOf(affinity?.[level.affinity], { field, extra: level.names, problems });
    const term = { what, domainOf, selects: isOfSamePolicy, mostOthers: 0, isMutual: false };
    if (near !== undefined) {
      const strictness = near.scope === "strict" ? undefined : weight;
      const demand = oneOf(what, near.names, nameOf);
      // Names say where; without any, the machines keep each other company.
      if (demand === undefined) terms.push({ ...term, field, kind: "together", weight: strictness });
      else if (strictness === undefined) demands.push(demand);
      else wishes.push({ demand, weight: strictness });
    }
    const apartField = `spec.antiAffinity.${level.antiAffinity}`;
    const apart = spreadOf(antiAffinity?.[level.antiAffinity], { field: apartField, extra: level.most, problems });
    if (apart !== undefined) {
      const strictness = apart.scope === "strict" ? undefined : weight;
      terms.push({ ...term, field: apartField, kind: "apart", weight: strictness, mostOthers: apart.most - 1 });
    }
  }
  const group = { weight, affinity, antiAffinity };
  return { terms: [...terms, ...applicationTerms(group), ...vmTerms(group)], demands, wishes };
}

interface Groups {
  readonly weight: number;
  readonly affinity: VMPlacementPolicySpec["affinity"] | undefined;
  readonly antiAffinity: VMPlacementPolicySpec["antiAffinity"] | undefined;
}

function applicationTerms({ affinity, antiAffinity, weight }: Groups): readonly Term[] {
  const rules = [
    ["together", "spec.affinity.applicationAffinity", affinity?.applicationAffinity],
    ["apart", "spec.antiAffinity.applicationAntiAffinity", antiAffinity?.applicationAntiAffinity],
  ] as const;
  return rules.flatMap(([kind, field, rule]) => {
    if (rule?.enabled !== true) return [];
    const label = rule.applicationLabel ?? "app";
    return [
      {
        field,
        kind,
        weight: rule.scope === "preferred" ? weight : undefined,
        what: "host",
        domainOf: ({ name }: PlacementHost) => name,
        // One without the label is an application of its own.
        selects: (self: Machine, other: Machine) =>
          self.uid === other.uid ||
          (self.namespace === other.namespace &&
            self.labels[label] !== undefined &&
            self.labels[label] === other.labels[label]),
        mostOthers: 0,
        isMutual: kind === "apart",
      },
    ];
  });
}

function vmTerms({ affinity, antiAffinity }: Groups): readonly Term[] {
  const rules = [
    ["together", "spec.affinity.vmAffinity", affinity?.vmAffinity],
    ["apart", "spec.antiAffinity.vmAntiAffinity", antiAffinity?.vmAntiAffinity],
  ] as const;
  return rules.flatMap(([kind, field, rule]) => [
    ...(rule?.requiredDuringScheduling ?? []).map((term) => vmTerm(term, { kind, field, weight: undefined })),
    ...(rule?.preferredDuringScheduling ?? []).map((each) =>
      vmTerm(each.vmAffinityTerm, { kind, field, weight: each.weight }),
    ),
  ]);
}

/** As a PodAffinityTerm: without a selector no machine is meant, with an empty one every machine. */
function vmTerm(term: PlacementTerm, { kind, field, weight }: Pick<Term, "kind" | "field" | "weight">): Term {
  const { topologyKey, labelSelector, matchExpressions, namespaces, namespaceSelector } = term;
  const isEmpty = labelSelector === undefined && matchExpressions === undefined;
  return {
    field,
    kind,
    weight,
    what: topologyKey === hostnameLabel ? "host" : topologyKey,
    domainOf: ({ name, labels }) => labels[topologyKey] ?? (topologyKey === hostnameLabel ? name : undefined),
    selects: (self, other, labelsOf) => {
      if (isEmpty) return false;
      const isNamed = namespaces?.includes(other.namespace) === true;
      const isSelected = namespaceSelector !== undefined && isMatch(namespaceSelector, labelsOf(other.namespace));
      const isOwn =
        (namespaces ?? []).length === 0 && namespaceSelector === undefined && self.namespace === other.namespace;
      if (!isNamed && !isSelected && !isOwn) return false;
      return (
        isMatch(labelSelector ?? {}, other.labels) &&
        isMatch({ matchExpressions: matchExpressions ?? [] }, other.labels)
      );
    },
    mostOthers: 0,
    isMutual: kind === "apart",
  };
}

type LabelSelector = NonNullable<PlacementTerm["labelSelector"]>;

function isMatch(selector: LabelSelector, labels: Labels): boolean {
  const isAll = Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
  return isAll || whyNotSelected(selector, labels) === undefined;
}
