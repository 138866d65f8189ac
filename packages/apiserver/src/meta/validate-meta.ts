// Errors in an object's metadata, worded as k8s.io/apimachinery/pkg/api/validation does.

import type { ObjectMeta } from "@vivarium/api";
import type { Resource } from "../resource.ts";
import { forbiddenField, invalidValue, required, tooLong, type FieldError } from "../schema/field-error.ts";
import { isLabelValue, isQualifiedName, labelValueRule, nameProblem, qualifiedNameRule } from "./names.ts";

const maxAnnotationBytes = 256 * 1024;

export function validateMeta(meta: ObjectMeta, resource: Resource, old?: ObjectMeta): FieldError[] {
  return [
    ...validateName(meta, resource),
    ...validateLabels(meta.labels ?? {}),
    ...validateAnnotations(meta.annotations ?? {}),
    ...validateFinalizers(meta, old),
    ...(meta.ownerReferences ?? []).flatMap((owner, index) =>
      (["apiVersion", "kind", "name", "uid"] as const)
        .filter((field) => owner[field] === "")
        .map((field) => invalidValue(`metadata.ownerReferences[${index}].${field}`, "", "must not be empty")),
    ),
  ];
}

function validateName(meta: ObjectMeta, resource: Resource): FieldError[] {
  if (meta.name === "") return [required("metadata.name", "name or generateName is required")];
  const problem = nameProblem(meta.name, resource.strategy.nameRule);
  return problem === undefined ? [] : [invalidValue("metadata.name", meta.name, problem)];
}

function validateLabels(labels: Readonly<Record<string, string>>): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...(isQualifiedName(key) ? [] : [invalidValue("metadata.labels", key, qualifiedNameRule)]),
    ...(isLabelValue(value) ? [] : [invalidValue("metadata.labels", value, labelValueRule)]),
  ]);
}

function validateAnnotations(annotations: Readonly<Record<string, string>>): FieldError[] {
  let size = 0;
  const errors = Object.entries(annotations).flatMap(([key, value]) => {
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
    return isQualifiedName(key.toLowerCase()) ? [] : [invalidValue("metadata.annotations", key, qualifiedNameRule)];
  });
  return size > maxAnnotationBytes ? [...errors, tooLong("metadata.annotations", maxAnnotationBytes)] : errors;
}

function validateFinalizers(meta: ObjectMeta, old: ObjectMeta | undefined): FieldError[] {
  const finalizers = meta.finalizers ?? [];
  const known = old?.finalizers ?? [];
  const added = finalizers.filter((finalizer) => !known.includes(finalizer));
  const errors = added
    .filter((finalizer) => !isQualifiedName(finalizer))
    .map((finalizer) => invalidValue("metadata.finalizers", finalizer, qualifiedNameRule));
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion"))
    errors.push(
      invalidValue("metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"),
    );
  if (old?.deletionTimestamp === undefined || added.length === 0) return errors;
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  return [
    ...errors,
    forbiddenField(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
    ),
  ];
}
