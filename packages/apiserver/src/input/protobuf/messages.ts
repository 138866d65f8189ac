// The messages of the core kinds, by field number (k8s.io/api/core/v1/generated.proto and
// k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto). kubectl creates Secrets, ConfigMaps and Namespaces in no other form.

/** What a field holds. A tuple is a repeated field or a map. */
export type FieldType =
  | "string"
  | "integer"
  | "boolean"
  /** Base64 in JSON. */
  | "bytes"
  | "time"
  | "microtime"
  | Message
  | readonly ["list", FieldType]
  | readonly ["map", FieldType];

export interface Message {
  readonly [number: number]: readonly [name: string, type: FieldType];
}

const stringMap = ["map", "string"] as const;
const bytesMap = ["map", "bytes"] as const;

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
  "v1/DeleteOptions": {
    1: ["gracePeriodSeconds", "integer"],
    2: ["preconditions", { 1: ["uid", "string"], 2: ["resourceVersion", "string"] }],
    4: ["propagationPolicy", "string"],
    5: ["dryRun", ["list", "string"]],
  },
};
