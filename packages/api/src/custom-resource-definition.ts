// The CRD of a kind, as `kubectl apply` takes it and as the API server learns it. Core kinds are turned into the same form, so
// that the server needs only one.

import type { KindDefinition, PrinterColumn, ScalePaths } from "./kind.ts";
import type { KubeObject } from "./meta.ts";
import { version } from "./version.ts";

/** JSON Schema as far as apiextensions.k8s.io/v1 allows it. */
export interface JsonSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly description?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

export interface CustomResourceDefinitionVersion {
  name: string;
  served: boolean;
  storage: boolean;
  schema: { openAPIV3Schema: JsonSchema };
  subresources?: { status?: Record<string, never>; scale?: ScalePaths };
  additionalPrinterColumns?: PrinterColumn[];
}

export interface CustomResourceDefinition extends KubeObject {
  apiVersion: "apiextensions.k8s.io/v1";
  kind: "CustomResourceDefinition";
  spec: {
    group: string;
    scope: "Namespaced" | "Cluster";
    names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      shortNames?: string[];
      categories?: string[];
    };
    versions: CustomResourceDefinitionVersion[];
  };
}

const typeMeta: Record<string, JsonSchema> = {
  apiVersion: {
    type: "string",
    description: "Group and version of the kind.",
  },
  kind: { type: "string", description: "Name of the kind." },
  metadata: { type: "object", description: "Name, labels and what else every object has." },
};

export function toCustomResourceDefinition(kind: KindDefinition): CustomResourceDefinition {
  const { shortNames, categories, printerColumns } = kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`,
      // The server brings a definition up to date only where it finds both, and never to an older version.
      labels: { "app.kubernetes.io/managed-by": "vivarium" },
      annotations: { "vivarium.dev/version": version },
    },
    spec: {
      group: kind.group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: {
        kind: kind.kind,
        listKind: kind.listKind,
        plural: kind.plural,
        singular: kind.singular,
        ...(shortNames.length > 0 && { shortNames: [...shortNames] }),
        ...(categories.length > 0 && { categories: [...categories] }),
      },
      versions: [
        {
          name: kind.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchemaOf(kind) },
          ...(kind.hasStatus && {
            subresources: { status: {}, ...(kind.scale !== undefined && { scale: kind.scale }) },
          }),
          ...(printerColumns.length > 0 && { additionalPrinterColumns: [...printerColumns] }),
        },
      ],
    },
  };
}

/** The schema of a whole object of this kind. */
function objectSchemaOf(kind: KindDefinition): JsonSchema {
  // TypeBox marks its schemas with properties that JSON does not carry.
  const fields = JSON.parse(JSON.stringify(kind.schema)) as JsonSchema;
  return {
    ...fields,
    description: kind.description,
    properties: { ...typeMeta, ...fields.properties },
  };
}
