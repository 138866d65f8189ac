// The kind CustomResourceDefinition itself, in the same form as every other kind. It is built in: it cannot define itself.

import type { CustomResourceDefinition, JsonSchema } from "../custom-resource-definition.ts";

const text = (description: string): JsonSchema => ({ type: "string", description });
const flag = (description: string): JsonSchema => ({ type: "boolean", description });
const texts = (description: string): JsonSchema => ({ type: "array", description, items: { type: "string" } });

const names: JsonSchema = {
  type: "object",
  description: "What the kind is called.",
  required: ["plural", "kind"],
  properties: {
    plural: text("Name in URLs: lower case, plural."),
    singular: text("Lower case, singular; the kind in lower case when absent."),
    shortNames: texts("Short names for the command line."),
    kind: text("CamelCase, singular."),
    listKind: text("Kind of lists; the kind with `List` when absent."),
    categories: texts("Groups of kinds, such as `all`, that this kind is listed with."),
  },
};

const scale: JsonSchema = {
  type: "object",
  description: "The `/scale` subresource: `kubectl scale` and autoscalers use it.",
  required: ["specReplicasPath", "statusReplicasPath"],
  properties: {
    specReplicasPath: text("Path under `.spec` of the wanted number of replicas."),
    statusReplicasPath: text("Path under `.status` of the observed number of replicas."),
    labelSelectorPath: text("Path of a label selector in its text form."),
  },
};

const column: JsonSchema = {
  type: "object",
  description: "One column of `kubectl get`.",
  required: ["name", "type", "jsonPath"],
  properties: {
    name: text("Heading."),
    type: text("string, integer, number, boolean or date."),
    format: text("Format of the type, for example `password`."),
    description: text("What the column shows."),
    priority: { type: "integer", format: "int32", description: "Above 0: shown with `-o wide` only." },
    jsonPath: text("Path of the value, for example `.status.phase`."),
  },
};

const version: JsonSchema = {
  type: "object",
  description: "One version of the kind.",
  required: ["name", "served", "storage"],
  properties: {
    name: text("For example `v1beta1`."),
    served: flag("Whether the version can be read and written."),
    storage: flag("Whether objects are stored in this version. True for exactly one."),
    deprecated: flag("Whether requests in this version are answered with a warning."),
    deprecationWarning: text("The warning, in place of the usual one."),
    schema: {
      type: "object",
      description: "What objects look like.",
      properties: {
        openAPIV3Schema: {
          type: "object",
          description: "A structural schema.",
          // It is recursive, which schemas cannot say: definitionStrategy looks into it.
          "x-kubernetes-preserve-unknown-fields": true,
        },
      },
    },
    subresources: {
      type: "object",
      description: "Subresources of the kind.",
      properties: {
        status: {
          type: "object",
          description: "`/status`: when present, status and the rest of an object are written apart.",
          "x-kubernetes-preserve-unknown-fields": true,
        },
        scale,
      },
    },
    additionalPrinterColumns: {
      type: "array",
      description: "Columns of `kubectl get` besides the name.",
      items: column,
    },
    selectableFields: {
      type: "array",
      description: "Fields that field selectors may name.",
      "x-kubernetes-list-type": "atomic",
      items: {
        type: "object",
        required: ["jsonPath"],
        properties: { jsonPath: text("A simple path to a string, boolean or integer, such as `.spec.color`.") },
      },
    },
  },
};

const condition: JsonSchema = {
  type: "object",
  required: ["type", "status"],
  properties: {
    type: text("NamesAccepted, Established or Terminating."),
    status: text("True, False or Unknown."),
    lastTransitionTime: { type: "string", format: "date-time", nullable: true, description: "When `status` changed." },
    reason: text("For programs."),
    message: text("For people."),
    observedGeneration: { type: "integer", format: "int64", description: "metadata.generation that was looked at." },
  },
};

export const definitionKind: CustomResourceDefinition = {
  metadata: { name: "customresourcedefinitions.apiextensions.k8s.io" },
  spec: {
    group: "apiextensions.k8s.io",
    scope: "Cluster",
    names: {
      kind: "CustomResourceDefinition",
      listKind: "CustomResourceDefinitionList",
      plural: "customresourcedefinitions",
      singular: "customresourcedefinition",
      shortNames: ["crd", "crds"],
      categories: ["api-extensions"],
    },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: "CustomResourceDefinition makes the server serve a kind. Its name must be <plural>.<group>.",
            required: ["spec"],
            properties: {
              spec: {
                type: "object",
                description: "What the kind is.",
                required: ["group", "names", "scope", "versions"],
                properties: {
                  group: text("API group, a domain name."),
                  names,
                  scope: text("Cluster or Namespaced."),
                  versions: {
                    type: "array",
                    description: "All versions, served or not.",
                    "x-kubernetes-list-type": "atomic",
                    items: version,
                  },
                  conversion: {
                    type: "object",
                    description: "How objects are turned from one version into another.",
                    required: ["strategy"],
                    properties: {
                      strategy: text("None: only apiVersion changes."),
                      webhook: {
                        type: "object",
                        description: "Not supported by this server.",
                        "x-kubernetes-preserve-unknown-fields": true,
                      },
                    },
                  },
                  preserveUnknownFields: flag("Must be false: say it in the schema."),
                },
              },
              status: {
                type: "object",
                description: "What became of it.",
                properties: {
                  acceptedNames: { ...names, required: [], description: "The names that are served." },
                  storedVersions: texts("Versions in which objects may lie in the store."),
                  conditions: {
                    type: "array",
                    description: "NamesAccepted: nobody else has the names. Established: the kind is served.",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: condition,
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
};
