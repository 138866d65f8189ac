// ObjectMeta as a schema: the part that all kinds share, so that it is pruned and type-checked like the rest.

import type { JsonSchema } from "../custom-resource-definition.ts";

const string: JsonSchema = { type: "string" };
const nullableTime: JsonSchema = { type: "string", format: "date-time", nullable: true };
const stringMap: JsonSchema = { type: "object", additionalProperties: string };

export const metaSchema: JsonSchema = {
  type: "object",
  description: "Name, labels, and what the server keeps about the object.",
  properties: {
    name: { ...string, description: "Unique among the objects of this kind in the namespace. Cannot be changed." },
    generateName: {
      ...string,
      description: "The server makes a unique name that begins with this when there is no name.",
    },
    namespace: { ...string, description: "Where the object lives. Cannot be changed." },
    selfLink: string,
    uid: { ...string, description: "Given by the server at creation; never used again." },
    resourceVersion: { ...string, description: "Changes with each write. Compare for equality only." },
    generation: { type: "integer", format: "int64", description: "Grows by one with each change of the spec." },
    creationTimestamp: { ...nullableTime, description: "When the object was created." },
    deletionTimestamp: {
      ...nullableTime,
      description: "When deletion was asked for; finalizers still hold the object.",
    },
    deletionGracePeriodSeconds: { type: "integer", format: "int64" },
    labels: { ...stringMap, description: "For selectors." },
    annotations: { ...stringMap, description: "For tools and people; not for selectors." },
    finalizers: {
      type: "array",
      items: string,
      "x-kubernetes-list-type": "set",
      description: "Who must act before the object can go. Each removes its own entry.",
    },
    ownerReferences: {
      type: "array",
      description: "The objects this one depends on.",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["uid"],
      items: {
        type: "object",
        "x-kubernetes-map-type": "atomic",
        required: ["apiVersion", "kind", "name", "uid"],
        properties: {
          apiVersion: string,
          kind: string,
          name: string,
          uid: string,
          controller: { type: "boolean" },
          blockOwnerDeletion: { type: "boolean" },
        },
      },
    },
    managedFields: {
      type: "array",
      "x-kubernetes-list-type": "atomic",
      items: {
        type: "object",
        properties: {
          manager: string,
          operation: string,
          apiVersion: string,
          time: nullableTime,
          fieldsType: string,
          fieldsV1: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
          subresource: string,
        },
      },
    },
  },
};
