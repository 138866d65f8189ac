// VMPlacementPolicy: rules for where machines are put: on which hosts, together or apart, and how full a host may become.

import type { Static } from "typebox";
import { localRef, observed } from "./common-fields.ts";
import {
  anyOf,
  boolean,
  choice,
  dateTime,
  duration,
  int32,
  list,
  map,
  optional,
  quantity,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, infra } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { tolerations } from "./taints.ts";

const names = (description: string, maxItems: number) => optional(list(description, string("One name."), { maxItems }));

function demands(description: string) {
  return optional(
    struct(description, {
      clusters: names("Clusters.", 50),
      datastores: names("Datastores.", 100),
      hosts: names("Hosts.", 200),
      folders: names("Folders; no provider of this build has them.", 50),
      resourcePools: names("Resource pools; no provider of this build has them.", 100),
      networks: names("Networks; what networks a host has is not known.", 50),
      zones: names("Zones: label `topology.kubernetes.io/zone` of hosts.", 20),
      regions: names("Regions: label `topology.kubernetes.io/region` of hosts.", 20),
      excludedHosts: names("Hosts that are not meant.", 200),
      excludedDatastores: names("Datastores that are not meant.", 100),
      excludedClusters: names("Clusters that are not meant.", 100),
      nodeSelector: optional(stringMap("Labels of hosts.", { maxProperties: 20 })),
      tolerations: optional(tolerations("Taints of hosts that machines tolerate.")),
    }),
  );
}

const scope = optional(
  choice("`strict` is never broken by a placement; `preferred` counts as long as it can be kept.", [
    "strict",
    "preferred",
  ]),
);

/** As in the API that has only switches, or with scope and limits. */
interface Spread {
  readonly enabled: boolean;
  readonly scope?: "strict" | "preferred";
}

export interface AffinityForm extends Spread {
  readonly preferredHosts?: readonly string[];
  readonly preferredClusters?: readonly string[];
  readonly preferredDatastores?: readonly string[];
  readonly preferredZones?: readonly string[];
}

export interface AntiAffinityForm extends Spread {
  readonly maxVMsPerHost?: number;
  readonly maxVMsPerCluster?: number;
  readonly maxVMsPerDatastore?: number;
  readonly maxVMsPerZone?: number;
}

function together(what: string, field: string) {
  return optional(
    anyOf<boolean | AffinityForm>(
      `Keeps the machines that follow this policy on one ${what}. \`true\`, or an object with \`enabled\`, \`scope\` (\`strict\` when absent, or \`preferred\`), and \`${field}\`: names, of which one is meant instead.`,
    ),
  );
}

function apart(what: string, field: string) {
  return optional(
    anyOf<boolean | AntiAffinityForm>(
      `Keeps the machines that follow this policy on different ${what}s. \`true\`, or an object with \`enabled\`, \`scope\` (\`strict\` when absent, or \`preferred\`), and \`${field}\`: how many may be on one ${what} (1 when absent).`,
    ),
  );
}

const requirements = optional(
  list(
    "Demands on labels.",
    struct("One demand.", {
      key: string("Key of the label.", { maxLength: 253 }),
      operator: choice("What is demanded of its value.", ["In", "NotIn", "Exists", "DoesNotExist"]),
      values: optional(list("Values, for In and NotIn.", string("One value."), { maxItems: 50 })),
    }),
    { maxItems: 20 },
  ),
);

const labelSelector = (description: string) =>
  optional(
    struct(description, {
      matchLabels: optional(stringMap("Labels with their values.")),
      matchExpressions: requirements,
    }),
  );

const term = struct("Other machines, and what of hosts is to be the same or to differ.", {
  topologyKey: string("Label of hosts; `kubernetes.io/hostname` is the host itself.", { minLength: 1, maxLength: 253 }),
  labelSelector: labelSelector("Labels of the other machines; none is meant when absent."),
  matchExpressions: requirements,
  namespaces: optional(
    list("Namespaces of the other machines; the own one when absent.", string("One."), { maxItems: 20 }),
  ),
  namespaceSelector: labelSelector("Labels of namespaces of the other machines; `{}` is every one."),
});

const application = (description: string) =>
  optional(
    struct(description, {
      enabled: boolean("Whether it holds."),
      applicationLabel: optional(string("Label of machines that names the application.", { default: "app" })),
      scope,
    }),
  );

const terms = (description: string) =>
  optional(
    struct(description, {
      requiredDuringScheduling: optional(list("Never broken by a placement.", term, { maxItems: 20 })),
      preferredDuringScheduling: optional(
        list(
          "Kept as long as they can be.",
          struct("One of them.", {
            weight: int32("How much it counts.", { minimum: 1, maximum: 100 }),
            vmAffinityTerm: term,
          }),
          { maxItems: 20 },
        ),
      ),
    }),
  );

const percent = (description: string) => optional(int32(description, { minimum: 0, maximum: 100 }));

const resourceConstraints = struct("How full a host may become, and what it must have.", {
  maxCPUUtilization: percent("Virtual CPUs that may be promised there, in percent of what machines may take."),
  maxMemoryUtilization: percent("Memory that may be promised there, in percent of what machines may take."),
  maxDiskUtilization: percent("How full its storage pool may be."),
  minCPUPerHost: optional(int32("CPUs that it must have.", { minimum: 1 })),
  minMemoryPerHost: optional(quantity("Memory that it must have.")),
  minDiskSpacePerHost: optional(quantity("Space that its storage pool must have free.")),
  requiredFeatures: names(
    "What it must be able to do: `kvm`, `uefi`, `secureBoot`, `tpm`, `nestedVirtualization`, `linkedClones`, `imageImport`, `serialConsole`, `hotplug`, `storagePools`; else NAME is its label `feature.vivarium.dev/NAME` with the value `true`.",
    20,
  ),
  preferredFeatures: names("The same, where another host can be had if need be.", 20),
});

const securityConstraints = struct("What of security is demanded.", {
  requireSecureBoot: optional(boolean("Machines start with secure boot, on hosts that have it.")),
  requireTPM: optional(boolean("Machines have a TPM, on hosts that can give one.")),
  requireEncryptedStorage: optional(boolean("Not supported: machines that follow such a policy are refused.")),
  requireNUMATopology: optional(boolean("Not supported: machines that follow such a policy are refused.")),
  allowedSecurityGroups: names("Not supported: machines that follow such a policy are refused.", 20),
  deniedSecurityGroups: names("Not supported: machines that follow such a policy are refused.", 20),
  isolationLevel: optional(
    choice("Not supported but for `none`: machines that follow such a policy are refused.", [
      "none",
      "basic",
      "strict",
      "maximum",
    ]),
  ),
  trustLevel: optional(
    choice("Not supported but for `untrusted`: machines that follow such a policy are refused.", [
      "untrusted",
      "basic",
      "trusted",
      "highly-trusted",
    ]),
  ),
});

const spec = struct("The rules. All of them hold for a machine's placement; none moves a machine that is placed.", {
  hard: demands("What a host must be; a list that is absent demands nothing."),
  soft: demands("What a host should be; each demand that it meets counts for it with `weight`."),
  affinity: optional(
    struct("Which machines belong together.", {
      hostAffinity: together("host", "preferredHosts"),
      clusterAffinity: together("cluster", "preferredClusters"),
      datastoreAffinity: together("datastore", "preferredDatastores"),
      zoneAffinity: together("zone", "preferredZones"),
      applicationAffinity: application("Keeps machines of one application, of the same namespace, on one host."),
      vmAffinity: terms("Puts machines where certain others are."),
    }),
  ),
  antiAffinity: optional(
    struct("Which machines are kept apart.", {
      hostAntiAffinity: apart("host", "maxVMsPerHost"),
      clusterAntiAffinity: apart("cluster", "maxVMsPerCluster"),
      datastoreAntiAffinity: apart("datastore", "maxVMsPerDatastore"),
      zoneAntiAffinity: apart("zone", "maxVMsPerZone"),
      applicationAntiAffinity: application(
        "Keeps machines of one application, of the same namespace, on different hosts.",
      ),
      vmAntiAffinity: terms("Keeps machines away from certain others, and these from them."),
    }),
  ),
  resourceConstraints: optional(resourceConstraints),
  securityConstraints: optional(securityConstraints),
  priority: optional(
    int32("Accepted for compatibility, without effect: machines are placed in the order in which they come.", {
      minimum: 0,
      maximum: 1000,
    }),
  ),
  weight: optional(int32("How much a soft demand counts; 50 when absent.", { minimum: 1, maximum: 100 })),
});

const status = struct("What was seen of the machines that follow it.", {
  usedByVMs: optional(list("The machines that follow it.", localRef("One of them."), { maxItems: 1000 })),
  placementStats: optional(
    struct("How placements went.", {
      totalPlacements: optional(int32("Machines that follow it.")),
      successfulPlacements: optional(int32("Those that are on a host.")),
      failedPlacements: optional(int32("Those that no host can take.")),
      constraintViolations: optional(int32("Those that are where a strict rule does not allow them any more.")),
      averagePlacementTime: optional(duration("Not counted.")),
      lastPlacementTime: optional(dateTime("When one of them was last put on a host.")),
      placementDistribution: optional(map("How many are on each host.", int32("How many."))),
    }),
  ),
  violations: optional(
    list(
      "Machines that are where a strict rule does not allow them, the first hundred.",
      struct("One of them.", {
        vm: string("Its name."),
        host: string("Where it is."),
        message: string("Which rule, and why."),
      }),
    ),
  ),
  conflictingPolicies: optional(
    list(
      "Always absent: a machine follows one policy.",
      struct("One of them.", {
        policyName: string("Its name."),
        conflictType: choice("About what.", ["hard", "soft", "resource", "security", "affinity"]),
        severity: optional(choice("How bad.", ["low", "medium", "high", "critical"])),
        description: optional(string("What it is.")),
        resolutionSuggestion: optional(string("What to do.")),
      }),
      { maxItems: 50 },
    ),
  ),
  validationResults: optional(
    map(
      "What of it holds for hosts of each Provider of the namespace.",
      struct("For one of them.", {
        valid: boolean("Whether every strict rule can be kept there."),
        message: optional(string("Why not.")),
        errors: optional(list("Strict rules that cannot be.", string("One."))),
        warnings: optional(list("Preferences that cannot be.", string("One."))),
        lastValidated: optional(dateTime("When this was last said otherwise.")),
        supportedFeatures: optional(list("Parts of the policy that are kept.", string("One."))),
        unsupportedFeatures: optional(list("Parts of the policy that are not.", string("One."))),
      }),
    ),
  ),
  ...observed(
    "`Ready`: whether the policy can be followed; `Satisfied`: whether every machine that follows it is where it may be.",
  ),
});

export type VMPlacementPolicySpec = Static<typeof spec>;
export type PlacementDemands = NonNullable<VMPlacementPolicySpec["hard"]>;
export type PlacementTerm = Static<typeof term>;
export type VMPlacementPolicyStatus = Static<typeof status>;
export type VMPlacementPolicy = Resource<VMPlacementPolicySpec, VMPlacementPolicyStatus>;

export const VMPlacementPolicy: KindDefinition<VMPlacementPolicy> = defineKind({
  ...infra,
  kind: "VMPlacementPolicy",
  plural: "vmplacementpolicies",
  shortNames: ["vmpp"],
  description: "Rules for where machines are put: on which hosts, together or apart, and how full a host may become.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "VMs", type: "integer", jsonPath: ".status.placementStats.totalPlacements" },
    { name: "Placed", type: "integer", jsonPath: ".status.placementStats.successfulPlacements" },
    { name: "Failed", type: "integer", jsonPath: ".status.placementStats.failedPlacements" },
    { name: "Violations", type: "integer", jsonPath: ".status.placementStats.constraintViolations" },
    { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
    ageColumn,
    { name: "Message", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].message', priority: 1 },
  ],
});
