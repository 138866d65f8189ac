// What is wrong with a CustomResourceDefinition, worded as
// https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apis/apiextensions/validation/validation.go does.

import type {
  CustomResourceColumn,
  CustomResourceNames,
  CustomResourceScale,
  CustomResourceVersion,
} from "../custom-resource-definition.ts";
import { dns1035Problem, nameProblem } from "../meta/names.ts";
import { JsonPath } from "../output/json-path.ts";
import { invalidValue, notSupported, required, tooMany, type FieldError } from "../schema/field-error.ts";
import { problemOf } from "../schema/problem-of.ts";
import { checkKeywords } from "./schema-keywords.ts";
import { validateSchema } from "./validate-schema.ts";
import { validateSelectableField } from "./validate-selectable-field.ts";
import { isConditionTrue, storageVersionOf, type StoredDefinition } from "./stored-definition.ts";

const approvalAnnotation = "api-approved.kubernetes.io";
const maxSelectableFields = 8;

export function validateDefinition(definition: StoredDefinition, old: StoredDefinition | undefined): FieldError[] {
  const { metadata, spec, status } = definition;
  const { group, scope, names, versions, conversion } = spec;
  const wantedName = `${names.plural}.${group}`;
  return [
    ...(metadata.name === wantedName
      ? []
      : [invalidValue("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group')]),
    ...validateGroup(group),
    ...validateApproval(definition),
    ...(["Cluster", "Namespaced"].includes(scope)
      ? []
      : [scope.length === 0 ? required("spec.scope") : notSupported("spec.scope", scope, ["Cluster", "Namespaced"])]),
    ...validateNames(names),
    ...validateVersions(versions),
    ...(conversion === undefined || conversion.strategy === "None"
      ? []
      : [notSupported("spec.conversion.strategy", conversion.strategy, ["None"])]),
    ...(spec.preserveUnknownFields === true ? [invalidValue("spec.preserveUnknownFields", true, "must be false")] : []),
    ...validateStoredVersions(status.storedVersions, versions, storageVersionOf(spec)),
    ...(old === undefined ? [] : validateChange(definition, old)),
  ];
}

function validateGroup(group: string): FieldError[] {
  const problem = nameProblem(group, "subdomain");
  if (group === "") return [required("spec.group")];
  if (problem !== undefined) return [invalidValue("spec.group", group, problem)];
  return group.includes(".") ? [] : [invalidValue("spec.group", group, "should be a domain with at least one dot")];
}

/** Kubernetes' own groups are not for everyone (https://github.com/kubernetes/enhancements/pull/1111). */
function validateApproval({ metadata, spec: { group } }: StoredDefinition): FieldError[] {
  const isProtected = group === "k8s.io" || /\.(?:k8s|kubernetes)\.io$/.test(group) || group === "kubernetes.io";
  if (!isProtected) return [];
  const approval = metadata.annotations?.[approvalAnnotation] ?? "";
  const field = `metadata.annotations[${approvalAnnotation}]`;
  if (approval === "")
    return [
      required(
        field,
        `protected groups must have approval annotation "${approvalAnnotation}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    ];
  return approval.startsWith("unapproved") || URL.canParse(approval)
    ? []
    : [
        invalidValue(
          field,
          approval,
          `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`,
        ),
      ];
}

function validateNames(names: CustomResourceNames): FieldError[] {
  const label = (name: string, field: string): FieldError[] => {
    const problem = dns1035Problem(name);
    return problem === undefined ? [] : [invalidValue(field, name, problem)];
  };
  const mixed = (name: string, field: string): FieldError[] => {
    const problem = dns1035Problem(name.toLowerCase());
    if (problem === undefined) return [];
    return [invalidValue(field, name, `may have mixed case, but should otherwise match: ${problem}`)];
  };
  const { plural, singular, kind, listKind, shortNames = [], categories = [] } = names;
  return [
    ...(plural === "" ? [required("spec.names.plural")] : label(plural, "spec.names.plural")),
    ...(singular === undefined ? [] : label(singular, "spec.names.singular")),
    ...(kind === "" ? [required("spec.names.kind")] : mixed(kind, "spec.names.kind")),
    ...(listKind === undefined ? [] : mixed(listKind, "spec.names.listKind")),
    ...(kind !== "" && kind === listKind
      ? [invalidValue("spec.names.listKind", listKind, "kind and listKind may not be the same")]
      : []),
    ...shortNames.flatMap((name, index) => label(name, `spec.names.shortNames[${index}]`)),
    ...categories.flatMap((name, index) => label(name, `spec.names.categories[${index}]`)),
  ];
}

function validateVersions(versions: readonly CustomResourceVersion[]): FieldError[] {
  const names = versions.map((version) => version.name);
  const stored = versions.filter((version) => version.storage).length;
  return [
    ...(new Set(names).size === names.length
      ? []
      : [invalidValue("spec.versions", names, "must contain unique version names")]),
    ...(stored === 1
      ? []
      : [invalidValue("spec.versions", names, "must have exactly one version marked as storage version")]),
    ...versions.flatMap((version, index) => validateVersion(version, `spec.versions[${index}]`)),
  ];
}

function validateVersion(version: CustomResourceVersion, path: string): FieldError[] {
  const { name, deprecated, deprecationWarning, schema, subresources } = version;
  const problem = dns1035Problem(name);
  const schemaPath = `${path}.schema.openAPIV3Schema`;
  const openApi = schema?.openAPIV3Schema;
  const shapeErrors = openApi === undefined ? [] : checkKeywords(openApi, schemaPath);
  return [
    ...(problem === undefined ? [] : [invalidValue(`${path}.name`, name, problem)]),
    ...(deprecationWarning === undefined || deprecated === true
      ? []
      : [invalidValue(`${path}.deprecationWarning`, deprecationWarning, "can only be set for deprecated versions")]),
    ...(openApi === undefined ? [required(schemaPath, "schemas are required")] : shapeErrors),
    ...(openApi === undefined || shapeErrors.length > 0
      ? []
      : [...validateSchema(openApi, schemaPath), ...validateSelectable(version, path)]),
    ...(subresources?.scale === undefined ? [] : validateScale(subresources.scale, `${path}.subresources.scale`)),
    ...(version.additionalPrinterColumns ?? []).flatMap((column, index) =>
      validateColumn(column, `${path}.additionalPrinterColumns[${index}]`),
    ),
  ];
}

function validateSelectable(version: CustomResourceVersion, path: string): FieldError[] {
  const fields = version.selectableFields ?? [];
  const schema = version.schema?.openAPIV3Schema ?? {};
  return [
    ...(fields.length > maxSelectableFields
      ? [tooMany(`${path}.selectableFields`, fields.length, maxSelectableFields)]
      : []),
    ...fields.flatMap(({ jsonPath }, index) =>
      validateSelectableField(jsonPath, schema, `${path}.selectableFields[${index}].jsonPath`),
    ),
  ];
}

function validateScale(scale: CustomResourceScale, path: string): FieldError[] {
  const check = (field: keyof CustomResourceScale, ...roots: readonly string[]): FieldError[] => {
    const value = scale[field];
    const at = `${path}.${field}`;
    if (value === undefined || value === "") return field === "labelSelectorPath" ? [] : [required(at)];
    if (!/^(?:\.[\w-]+)+$/.test(value)) return [invalidValue(at, value, "is an invalid path: must be a simple path")];
    if (roots.some((root) => value.startsWith(`${root}.`))) return [];
    return [invalidValue(at, value, `should be a json path under ${roots.join(" or ")}`)];
  };
  return [
    ...check("specReplicasPath", ".spec"),
    ...check("statusReplicasPath", ".status"),
    ...check("labelSelectorPath", ".spec", ".status"),
  ];
}

const columnTypes = ["integer", "number", "string", "boolean", "date"];
const columnFormats = ["int32", "int64", "float", "double", "byte", "binary", "date", "date-time", "password"];

function validateColumn({ name, type, format = "", jsonPath }: CustomResourceColumn, path: string): FieldError[] {
  return [
    ...(name === "" ? [required(`${path}.name`)] : []),
    ...(type === ""
      ? [required(`${path}.type`, `must be one of ${columnTypes.join(",")}`)]
      : columnTypes.includes(type)
        ? []
        : [invalidValue(`${path}.type`, type, `must be one of ${columnTypes.join(",")}`)]),
    ...(format === "" || columnFormats.includes(format)
      ? []
      : [invalidValue(`${path}.format`, format, `must be one of ${columnFormats.join(",")}`)]),
    ...(jsonPath === "" ? [required(`${path}.jsonPath`)] : validateJsonPath(jsonPath, `${path}.jsonPath`)),
  ];
}

function validateJsonPath(text: string, field: string): FieldError[] {
  const problem = problemOf(() => new JsonPath(text));
  return problem === undefined ? [] : [invalidValue(field, text, `is an invalid path: ${problem}`)];
}

function validateStoredVersions(
  stored: readonly string[],
  versions: readonly CustomResourceVersion[],
  storage: string | undefined,
): FieldError[] {
  if (stored.length === 0)
    return [invalidValue("status.storedVersions", stored, "must have at least one stored version")];
  return [
    ...(storage !== undefined && !stored.includes(storage)
      ? [invalidValue("status.storedVersions", stored, `must have the storage version ${storage}`)]
      : []),
    ...stored.flatMap((name, index) =>
      versions.some((version) => version.name === name)
        ? []
        : [
            invalidValue(
              `status.storedVersions[${index}]`,
              name,
              "missing from spec.versions; must remain in spec.versions if objects remain in old version",
            ),
          ],
    ),
  ];
}

function validateChange(definition: StoredDefinition, old: StoredDefinition): FieldError[] {
  const fixed = (field: string, now: unknown, before: unknown): FieldError[] =>
    now === before ? [] : [invalidValue(field, now, "field is immutable")];
  const [spec, oldSpec] = [definition.spec, old.spec];
  return [
    ...fixed("spec.group", spec.group, oldSpec.group),
    ...fixed("spec.names.plural", spec.names.plural, oldSpec.names.plural),
    ...(isConditionTrue(old, "Established")
      ? [
          ...fixed("spec.scope", spec.scope, oldSpec.scope),
          ...fixed("spec.names.kind", spec.names.kind, oldSpec.names.kind),
        ]
      : []),
  ];
}
