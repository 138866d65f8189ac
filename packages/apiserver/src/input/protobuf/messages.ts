// The messages of Kubernetes' own kinds, by field number (generated.proto in k8s.io/api/{core,rbac,authentication,authorization}/v1 and
// k8s.io/apimachinery/pkg/apis/meta/v1). kubectl creates Secrets, ConfigMaps and Namespaces in no other form.

/** What a field holds. A tuple is a repeated field or a map. */
export type FieldType =
  | "string"
  | "integer"
  | "boolean"
  /** Base64 in JSON. */
  | "bytes"
  | "time"
  | "microtime"
  /** A message of one string. */
  | "quantity"
  | Message
  | readonly ["list", FieldType]
  | readonly ["map", FieldType];

export interface Message {
  readonly [number: number]: readonly [name: string, type: FieldType];
}

const stringMap = ["map", "string"] as const;
const bytesMap = ["map", "bytes"] as const;
const quantityMap = ["map", "quantity"] as const;

const ownerReference: Message = {
  1: ["kind", "string"],
  3: ["name", "string"],
  4: ["uid", "string"],
  5: ["apiVersion", "string"],
  6: ["controller", "boolean"],
  7: ["blockOwnerDeletion", "boolean"],
};

const objectMeta: Message = {
  1: ["name", "string"],
  2: ["generateName", "string"],
  3: ["namespace", "string"],
  5: ["uid", "string"],
  6: ["resourceVersion", "string"],
  7: ["generation", "integer"],
  8: ["creationTimestamp", "time"],
  9: ["deletionTimestamp", "time"],
  10: ["deletionGracePeriodSeconds", "integer"],
  11: ["labels", stringMap],
  12: ["annotations", stringMap],
  13: ["ownerReferences", ["list", ownerReference]],
  14: ["finalizers", ["list", "string"]],
};

const objectReference: Message = {
  1: ["kind", "string"],
  2: ["namespace", "string"],
  3: ["name", "string"],
  4: ["uid", "string"],
  5: ["apiVersion", "string"],
  6: ["resourceVersion", "string"],
  7: ["fieldPath", "string"],
};

const rules = [
  "list",
  {
    1: ["verbs", ["list", "string"]],
    2: ["apiGroups", ["list", "string"]],
    3: ["resources", ["list", "string"]],
    4: ["resourceNames", ["list", "string"]],
    5: ["nonResourceURLs", ["list", "string"]],
  },
] as const;

const labelSelector: Message = {
  1: ["matchLabels", stringMap],
  2: [
    "matchExpressions",
    ["list", { 1: ["key", "string"], 2: ["operator", "string"], 3: ["values", ["list", "string"]] }],
  ],
};

const binding: Message = {
  1: ["metadata", objectMeta],
  2: [
    "subjects",
    ["list", { 1: ["kind", "string"], 2: ["apiGroup", "string"], 3: ["name", "string"], 4: ["namespace", "string"] }],
  ],
  3: ["roleRef", { 1: ["apiGroup", "string"], 2: ["kind", "string"], 3: ["name", "string"] }],
};

const accessQuestion: Message = {
  1: [
    "resourceAttributes",
    {
      1: ["namespace", "string"],
      2: ["verb", "string"],
      3: ["group", "string"],
      4: ["version", "string"],
      5: ["resource", "string"],
      6: ["subresource", "string"],
      7: ["name", "string"],
    },
  ],
  2: ["nonResourceAttributes", { 1: ["path", "string"], 2: ["verb", "string"] }],
};

const accessReview: Message = {
  1: ["metadata", objectMeta],
  2: ["spec", { ...accessQuestion, 3: ["user", "string"], 4: ["groups", ["list", "string"]], 6: ["uid", "string"] }],
};

/** By apiVersion and kind. */
export const messages: Readonly<Record<string, Message>> = {
  "v1/Namespace": {
    1: ["metadata", objectMeta],
    2: ["spec", { 1: ["finalizers", ["list", "string"]] }],
    3: ["status", { 1: ["phase", "string"] }],
  },
  "v1/Secret": {
    1: ["metadata", objectMeta],
    2: ["data", bytesMap],
    3: ["type", "string"],
    4: ["stringData", stringMap],
    5: ["immutable", "boolean"],
  },
  "v1/ConfigMap": {
    1: ["metadata", objectMeta],
    2: ["data", stringMap],
    3: ["binaryData", bytesMap],
    4: ["immutable", "boolean"],
  },
  "v1/Event": {
    1: ["metadata", objectMeta],
    2: ["involvedObject", objectReference],
    3: ["reason", "string"],
    4: ["message", "string"],
    5: ["source", { 1: ["component", "string"], 2: ["host", "string"] }],
    6: ["firstTimestamp", "time"],
    7: ["lastTimestamp", "time"],
    8: ["count", "integer"],
    9: ["type", "string"],
    10: ["eventTime", "microtime"],
    11: ["series", { 1: ["count", "integer"], 2: ["lastObservedTime", "microtime"] }],
    12: ["action", "string"],
    13: ["related", objectReference],
    14: ["reportingComponent", "string"],
    15: ["reportingInstance", "string"],
  },
  "events.k8s.io/v1/Event": {
    1: ["metadata", objectMeta],
    2: ["eventTime", "microtime"],
    3: ["series", { 1: ["count", "integer"], 2: ["lastObservedTime", "microtime"] }],
    4: ["reportingController", "string"],
    5: ["reportingInstance", "string"],
    6: ["action", "string"],
    7: ["reason", "string"],
    8: ["regarding", objectReference],
    9: ["related", objectReference],
    10: ["note", "string"],
    11: ["type", "string"],
    12: ["deprecatedSource", { 1: ["component", "string"], 2: ["host", "string"] }],
    13: ["deprecatedFirstTimestamp", "time"],
    14: ["deprecatedLastTimestamp", "time"],
    15: ["deprecatedCount", "integer"],
  },
  "coordination.k8s.io/v1/Lease": {
    1: ["metadata", objectMeta],
    2: [
      "spec",
      {
        1: ["holderIdentity", "string"],
        2: ["leaseDurationSeconds", "integer"],
        3: ["acquireTime", "microtime"],
        4: ["renewTime", "microtime"],
        5: ["leaseTransitions", "integer"],
        6: ["strategy", "string"],
        7: ["preferredHolder", "string"],
      },
    ],
  },
  "v1/ResourceQuota": {
    1: ["metadata", objectMeta],
    2: ["spec", { 1: ["hard", quantityMap] }],
    3: ["status", { 1: ["hard", quantityMap], 2: ["used", quantityMap] }],
  },
  "v1/ServiceAccount": {
    1: ["metadata", objectMeta],
    2: ["secrets", ["list", objectReference]],
    3: ["imagePullSecrets", ["list", { 1: ["name", "string"] }]],
    4: ["automountServiceAccountToken", "boolean"],
  },
  "rbac.authorization.k8s.io/v1/Role": { 1: ["metadata", objectMeta], 2: ["rules", rules] },
  "rbac.authorization.k8s.io/v1/ClusterRole": {
    1: ["metadata", objectMeta],
    2: ["rules", rules],
    3: ["aggregationRule", { 1: ["clusterRoleSelectors", ["list", labelSelector]] }],
  },
  "rbac.authorization.k8s.io/v1/RoleBinding": binding,
  "rbac.authorization.k8s.io/v1/ClusterRoleBinding": binding,
  "authentication.k8s.io/v1/TokenRequest": {
    1: ["metadata", objectMeta],
    2: [
      "spec",
      {
        1: ["audiences", ["list", "string"]],
        3: [
          "boundObjectRef",
          { 1: ["kind", "string"], 2: ["apiVersion", "string"], 3: ["name", "string"], 4: ["uid", "string"] },
        ],
        4: ["expirationSeconds", "integer"],
      },
    ],
  },
  "authentication.k8s.io/v1/TokenReview": {
    1: ["metadata", objectMeta],
    2: ["spec", { 1: ["token", "string"], 2: ["audiences", ["list", "string"]] }],
  },
  "authentication.k8s.io/v1/SelfSubjectReview": { 1: ["metadata", objectMeta] },
  "authorization.k8s.io/v1/SubjectAccessReview": accessReview,
  "authorization.k8s.io/v1/LocalSubjectAccessReview": accessReview,
  "authorization.k8s.io/v1/SelfSubjectAccessReview": { 1: ["metadata", objectMeta], 2: ["spec", accessQuestion] },
  "authorization.k8s.io/v1/SelfSubjectRulesReview": {
    1: ["metadata", objectMeta],
    2: ["spec", { 1: ["namespace", "string"] }],
  },
  "v1/DeleteOptions": {
    1: ["gracePeriodSeconds", "integer"],
    2: ["preconditions", { 1: ["uid", "string"], 2: ["resourceVersion", "string"] }],
    4: ["propagationPolicy", "string"],
    5: ["dryRun", ["list", "string"]],
  },
};
