// A CustomResourceDefinition as it lies in the store: validated and defaulted, so that every field the server needs is there.

import type { Condition, ObjectMeta } from "@vivarium/api";
import type { CustomResourceDefinition, CustomResourceNames } from "../custom-resource-definition.ts";
import type { ApiObject } from "../stored-object.ts";

export interface DefinitionStatus {
  readonly acceptedNames: Partial<CustomResourceNames>;
  readonly conditions: readonly Condition[];
  readonly storedVersions: readonly string[];
}

export interface StoredDefinition extends ApiObject {
  metadata: ObjectMeta;
  spec: CustomResourceDefinition["spec"];
  status: DefinitionStatus;
}

export const cleanupFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/** What validation has found to be one. */
export function asDefinition(object: ApiObject): StoredDefinition {
  const { status } = object as Partial<StoredDefinition>;
  return {
    ...(object as StoredDefinition),
    status: {
      acceptedNames: status?.acceptedNames ?? {},
      conditions: status?.conditions ?? [],
      storedVersions: status?.storedVersions ?? [],
    },
  };
}

export function isConditionTrue(definition: StoredDefinition, type: string): boolean {
  return definition.status.conditions.some((each) => each.type === type && each.status === "True");
}

export function storageVersionOf(spec: CustomResourceDefinition["spec"]): string | undefined {
  return spec.versions.find((version) => version.storage)?.name;
}
