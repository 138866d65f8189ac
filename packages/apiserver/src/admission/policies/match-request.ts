// Whether a request is one that a policy or a binding is about.

import type { AdmissionMatch, AdmissionResourceRule } from "@vivarium/api";
import type { AdmissionRequest, AdmissionSubject } from "../admission-plugin.ts";
import { matchesLabels } from "../../selectors/match-labels.ts";
import type { Labels } from "../../selectors/label-selector.ts";

/** By operation and kind alone: what can be told without the object. `versions`: all that the kind is served in. */
export function isAboutKind(
  match: AdmissionMatch | undefined,
  subject: AdmissionSubject,
  versions: readonly string[],
): boolean {
  const rules = match?.resourceRules ?? [];
  return rules.length === 0 || rules.some((rule) => fitsKind(rule, subject, versionsFor(match, subject, versions)));
}

/** `namespaceLabels`: undefined for objects of no namespace. */
export function isAboutRequest(
  match: AdmissionMatch | undefined,
  request: AdmissionRequest,
  { versions, namespaceLabels }: { readonly versions: readonly string[]; readonly namespaceLabels: Labels | undefined },
): boolean {
  if (match === undefined) return true;
  const wanted = versionsFor(match, request, versions);
  const fits = (rule: AdmissionResourceRule): boolean => fitsKind(rule, request, wanted) && fitsName(rule, request);
  const { resourceRules = [], excludeResourceRules = [], namespaceSelector, objectSelector } = match;
  if (resourceRules.length > 0 && !resourceRules.some(fits)) return false;
  if (excludeResourceRules.some(fits)) return false;
  if (
    namespaceSelector !== undefined &&
    namespaceLabels !== undefined &&
    !matchesLabels(namespaceSelector, namespaceLabels)
  )
    return false;
  return (
    objectSelector === undefined ||
    [request.object, request.oldObject].some(
      (object) => object !== undefined && matchesLabels(objectSelector, object.metadata.labels ?? {}),
    )
  );
}

function versionsFor(
  match: AdmissionMatch | undefined,
  { resource }: AdmissionSubject,
  versions: readonly string[],
): readonly string[] {
  return match?.matchPolicy === "Exact" ? [resource.version] : versions;
}

function fitsKind(rule: AdmissionResourceRule, subject: AdmissionSubject, versions: readonly string[]): boolean {
  const { resource, subresource } = subject;
  const operations: readonly string[] = rule.operations;
  const { scope = "*" } = rule;
  return (
    (operations.includes("*") || operations.includes(subject.operation)) &&
    (rule.apiGroups.includes("*") || rule.apiGroups.includes(resource.group)) &&
    (rule.apiVersions.includes("*") || versions.some((version) => rule.apiVersions.includes(version))) &&
    (scope === "*" || (scope === "Namespaced") === resource.namespaced) &&
    rule.resources.some((name) => fitsResource(name, resource.plural, subresource))
  );
}

/** `*` is about objects, not about their subresources. */
function fitsResource(rule: string, plural: string, subresource: string | undefined): boolean {
  const [name = "", sub] = rule.split("/");
  if (name !== "*" && name !== plural) return false;
  if (sub === "*") return true;
  return sub === subresource;
}

function fitsName({ resourceNames = [] }: AdmissionResourceRule, { name }: AdmissionRequest): boolean {
  return resourceNames.length === 0 || resourceNames.includes(name);
}
