// Field groups that several kinds share.

import {
  choice,
  dateTime,
  duration,
  int32,
  int64,
  list,
  listByKey,
  opaque,
  optional,
  string,
  stringMap,
  struct,
} from "./fields.ts";

// A superset of the v1beta1 pattern: object names may hold dots, so references may too.
const objectName = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
const dnsLabel = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
const octet = "(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)";

export const ipv4Pattern = `^(${octet}\\.){3}${octet}$`;
export const cidr4Pattern = `^(${octet}\\.){3}${octet}/([0-9]|[1-2][0-9]|3[0-2])$`;
export const macPattern = "^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$";

/** The name of an entry within a list of the spec, such as a disk. */
export function entryName(description: string) {
  return string(description, { maxLength: 63, pattern: dnsLabel });
}

export function localRef(description: string) {
  return struct(description, {
    name: string("Name of the object, in the same namespace.", { maxLength: 253, pattern: objectName }),
  });
}

export function objectRef(description: string) {
  return struct(description, {
    name: string("Name of the object.", { maxLength: 253, pattern: objectName }),
    namespace: optional(
      string("Namespace of the object; the namespace of the referring object when absent.", {
        maxLength: 63,
        pattern: dnsLabel,
      }),
    ),
  });
}

export function labelSelector(description: string) {
  return struct(description, {
    matchLabels: optional(stringMap("Labels with their values.")),
    matchExpressions: optional(
      list(
        "Further demands on labels.",
        struct("One demand.", {
          key: string("Key of the label."),
          operator: choice("What is demanded of its value.", ["In", "NotIn", "Exists", "DoesNotExist"]),
          values: optional(list("Values, for In and NotIn.", string("One value."))),
        }),
      ),
    ),
  });
}

/** What every status ends with: of which spec it speaks, and what holds. */
export function observed(description: string) {
  return {
    observedGeneration: optional(int64("metadata.generation of the spec that this status describes.")),
    conditions: optional(conditions(description)),
  };
}

export function conditions(description: string) {
  return listByKey(
    description,
    "type",
    struct("One aspect of the object's state.", {
      type: string("Which aspect, in CamelCase.", { maxLength: 316 }),
      status: choice("Whether it holds.", ["True", "False", "Unknown"]),
      reason: string("Why, in CamelCase, for programs.", { minLength: 1, maxLength: 1024 }),
      message: string("Why, and what happens next, for people.", { maxLength: 32768 }),
      lastTransitionTime: dateTime("When `status` last changed."),
      observedGeneration: optional(int64("metadata.generation that was looked at.", { minimum: 0 })),
    }),
  );
}

export function whatGoesOn() {
  return string("What is going on, for people.");
}

export function controllerRecord() {
  return opaque("What the controller must remember across restarts.");
}

/** How much of some work is done. */
export function percentage() {
  return int32("Done, per cent.", { minimum: 0, maximum: 100 });
}

/** How long some work is going to take. */
export function eta() {
  return duration("How long it is likely to take yet.");
}
