// Whether one rule allows one thing (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources). Pure.

import type { PolicyRule } from "@vivarium/api";
import type { Attributes, PathAttributes, ResourceAttributes } from "./attributes.ts";

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  return attributes.type === "path"
    ? pathRuleAllows(rule, attributes)
    : ruleCovers(rule, attributes) && nameIsCovered(rule, attributes.name);
}

/** The rule's verbs, groups and resources, whatever the name. */
export function ruleCovers(rule: PolicyRule, attributes: Omit<ResourceAttributes, "name">): boolean {
  return (
    includesOrAll(rule.verbs, attributes.verb) &&
    includesOrAll(rule.apiGroups, attributes.group) &&
    coversResource(rule.resources ?? [], attributes)
  );
}

export function nameIsCovered(rule: PolicyRule, name: string): boolean {
  const names = rule.resourceNames ?? [];
  return names.length === 0 || names.includes(name);
}

export function pathRuleAllows(rule: PolicyRule, { verb, path }: PathAttributes): boolean {
  return includesOrAll(rule.verbs, verb) && (rule.nonResourceURLs ?? []).some((url) => coversPath(url, path));
}

function includesOrAll(list: readonly string[] | undefined, wanted: string): boolean {
  return list !== undefined && (list.includes("*") || list.includes(wanted));
}

function coversResource(
  resources: readonly string[],
  { resource, subresource }: Pick<ResourceAttributes, "resource" | "subresource">,
): boolean {
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  return resources.some((each) => each === "*" || each === full || (subresource !== "" && each === `*/${subresource}`));
}

function coversPath(url: string, path: string): boolean {
  return url === "*" || url === path || (url.endsWith("*") && path.startsWith(url.replace(/\*+$/, "")));
}
