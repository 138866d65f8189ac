// CustomResourceDefinition: completed and checked beyond its schema; a deleted one is held until its objects are gone.

import {
  asDefinition,
  cleanupFinalizer,
  storageVersionOf,
  type StoredDefinition,
} from "../definitions/stored-definition.ts";
import { pruneKeywords } from "../definitions/schema-keywords.ts";
import { validateDefinition } from "../definitions/validate-definition.ts";
import { withCondition } from "../definitions/accepted-names.ts";
import type { ApiObject } from "../stored-object.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

export const definitionStrategy: Strategy = {
  ...coreStrategy,
  hasGeneration: true,
  allowsUnconditionalUpdate: false,
  columns: [
    {
      name: "Created At",
      type: "date",
      description: "When it was created.",
      // As it is: kubectl shows the time here, not the age.
      cell: (object) => object.metadata.creationTimestamp ?? "",
    },
  ],
  prune(object) {
    return versionsOf(object).flatMap((version, index) =>
      pruneKeywords(schemaOf(version), `spec.versions[${index}].schema.openAPIV3Schema`),
    );
  },
  prepare(object, old) {
    const { spec } = object as { spec?: unknown };
    // What is not the right shape is told by validation.
    if (!isRecord(spec) || !isRecord(spec["names"])) return;
    const names: Record<string, unknown> = spec["names"];
    const { kind } = names;
    if (typeof kind === "string" && kind !== "") {
      if ((names["singular"] ?? "") === "") names["singular"] = kind.toLowerCase();
      if ((names["listKind"] ?? "") === "") names["listKind"] = `${kind}List`;
    }
    spec["conversion"] ??= { strategy: "None" };
    if (spec["preserveUnknownFields"] === false) delete spec["preserveUnknownFields"];
    const { versions } = spec as { versions?: unknown };
    if (!Array.isArray(versions) || !versions.every(isRecord)) return;
    const storage = storageVersionOf(spec as unknown as StoredDefinition["spec"]);
    if (old === undefined)
      object["status"] = {
        acceptedNames: { plural: "", kind: "" },
        conditions: [],
        storedVersions: storage === undefined ? [] : [storage],
      };
    else if (storage !== undefined && isRecord(object["status"])) {
      const stored = object["status"]["storedVersions"];
      const isMissing = Array.isArray(stored) && !stored.includes(storage) && storage !== storageOf(old);
      if (isMissing) object["status"] = { ...object["status"], storedVersions: [...(stored as unknown[]), storage] };
    }
  },
  validate: (object, old) =>
    validateDefinition(asDefinition(object), old === undefined ? undefined : asDefinition(old)),
  isHeld: (object) => object.metadata.deletionTimestamp === undefined,
  markDeleted(object) {
    const { metadata } = object;
    metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), cleanupFinalizer])];
    const { status } = asDefinition(object);
    const conditions = withCondition(
      status.conditions,
      {
        type: "Terminating",
        status: "True",
        reason: "InstanceDeletionPending",
        message: "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
      },
      metadata.deletionTimestamp ?? "",
    );
    object["status"] = { ...status, conditions };
  },
};

function storageOf(object: ApiObject): string | undefined {
  return storageVersionOf(asDefinition(object).spec);
}

function versionsOf(object: ApiObject): readonly unknown[] {
  const { spec } = object as { spec?: unknown };
  const versions = isRecord(spec) ? spec["versions"] : undefined;
  return Array.isArray(versions) ? versions : [];
}

function schemaOf(version: unknown): unknown {
  const schema = isRecord(version) ? version["schema"] : undefined;
  return isRecord(schema) ? schema["openAPIV3Schema"] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
