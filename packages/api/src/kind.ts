// The one shape of every kind. From a KindDefinition come the TypeScript type, the CRD, the OpenAPI document, defaults,
// printer columns and the reference page; nothing about a kind is written twice.

import type { TSchema } from "typebox";
import type { KubeObject, ResourceType } from "./meta.ts";

/** A column of `kubectl get`, as in apiextensions.k8s.io/v1. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  /** For example `.status.phase`. */
  readonly jsonPath: string;
  readonly description?: string;
  readonly format?: string;
  /** Above 0: only with `-o wide`. */
  readonly priority?: number;
}

export interface KindDefinition<T extends KubeObject = KubeObject> extends ResourceType<T> {
  readonly singular: string;
  readonly listKind: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** The first paragraph of `kubectl explain` and of the reference page. */
  readonly description: string;
  /** The object without apiVersion, kind and metadata: usually `spec` and `status`. */
  readonly schema: TSchema;
  readonly printerColumns: readonly PrinterColumn[];
  /** Whether `/status` exists: then a write to the object never changes its status, nor the other way round. */
  readonly hasStatus: boolean;
  /** Where `kubectl scale` finds its numbers; undefined for kinds without replicas. */
  readonly scale?: ScalePaths;
}

/** As `subresources.scale` of a CRD. */
export interface ScalePaths {
  readonly specReplicasPath: string;
  readonly statusReplicasPath: string;
  readonly labelSelectorPath?: string;
}

interface KindInput {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced?: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly description: string;
  readonly schema: TSchema;
  readonly printerColumns?: readonly PrinterColumn[];
  readonly hasStatus: boolean;
  readonly scale?: ScalePaths;
}

/** Completes a kind with what follows from its name. Namespaced unless it says otherwise. */
export function defineKind<T extends KubeObject>(input: KindInput): KindDefinition<T> {
  return {
    namespaced: true,
    shortNames: [],
    categories: [],
    printerColumns: [],
    ...input,
    singular: input.kind.toLowerCase(),
    listKind: `${input.kind}List`,
  };
}

/** Group and version of the kinds that describe virtual machines. */
export const infra = { group: "infra.virtrigaud.io", version: "v1beta1" } as const;

/** Group and version of the kinds that the API above lacks. */
export const vivarium = { group: "vivarium.dev", version: "v1alpha1" } as const;

/** Group and version of the kinds that Kubernetes itself has. */
export const core = { group: "", version: "v1" } as const;

export const ageColumn: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

export const phaseColumn: PrinterColumn = { name: "Phase", type: "string", jsonPath: ".status.phase" };

export const messageColumn: PrinterColumn = {
  name: "Message",
  type: "string",
  jsonPath: ".status.message",
  priority: 1,
};
