// Nobody hands out what he has not: who writes a role must hold all of its rules, and who binds one too, unless he has the verbs
// `escalate` or `bind` on it (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).

import { isDeepStrictEqual } from "node:util";
import { rbac, StatusError, type PolicyRule, type RoleReference, type UserInfo } from "@vivarium/api";
import type { AdmissionPlugin, AdmissionRequest } from "../admission/admission-plugin.ts";
import { forbidden } from "../errors.ts";
import type { AccessControl } from "./access-control.ts";
import { ruleCovers } from "./rule-matching.ts";

/** What is read of the objects; validation has seen them. */
interface AccessObject {
  readonly rules?: readonly PolicyRule[];
  readonly aggregationRule?: unknown;
  readonly roleRef?: RoleReference;
}

const everything: PolicyRule = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
const everyPath: PolicyRule = { verbs: ["*"], nonResourceURLs: ["*"] };

export function escalationPrevention(options: {
  readonly access: AccessControl;
  readonly rulesOfRole: (roleRef: RoleReference, namespace: string) => readonly PolicyRule[] | undefined;
}): AdmissionPlugin {
  const { access, rulesOfRole } = options;

  function mayDo(verb: "bind" | "escalate", request: AdmissionRequest, on: { plural: string; name: string }): boolean {
    return access.decide(request.user, {
      type: "resource",
      verb,
      group: rbac.group,
      version: rbac.version,
      resource: on.plural,
      subresource: "",
      namespace: request.namespace ?? "",
      name: on.name,
    }).isAllowed;
  }

  /** The rules that a write hands out. */
  function handedOut(request: AdmissionRequest): readonly PolicyRule[] {
    const { resource, name, namespace = "" } = request;
    const object = request.object as AccessObject | undefined;
    const old = request.oldObject as AccessObject | undefined;
    if (object?.roleRef === undefined) {
      const isSame =
        old !== undefined &&
        isDeepStrictEqual([old.rules ?? [], old.aggregationRule], [object?.rules ?? [], object?.aggregationRule]);
      if (isSame || mayDo("escalate", request, { plural: resource.plural, name })) return [];
      // It can gather anything.
      const gathered = object?.aggregationRule === undefined ? [] : [everything, everyPath];
      return [...(object?.rules ?? []), ...gathered];
    }
    const { roleRef } = object;
    const plural = roleRef.kind === "Role" ? "roles" : "clusterroles";
    if (mayDo("bind", request, { plural, name: roleRef.name })) return [];
    const rules = rulesOfRole(roleRef, namespace);
    if (rules === undefined)
      throw new StatusError("NotFound", `${plural}.${rbac.group} "${roleRef.name}" not found`, {
        details: { name: roleRef.name, group: rbac.group, kind: plural },
      });
    return rules;
  }

  return {
    name: "RoleEscalation",
    isInterested: ({ operation, resource, subresource }) =>
      resource.group === rbac.group && subresource === undefined && operation !== "DELETE" && operation !== "CONNECT",
    admit(request) {
      const { user, namespace, resource, name } = request;
      const held = access.rulesOf(user, namespace).rules;
      const missing = handedOut(request).filter((rule) => !isHeld(rule, held));
      if (missing.length > 0) throw forbidden(resource, name, sentence(user, missing));
      return undefined;
    },
  };
}

/** Whether each single thing that the rule allows is allowed by one of the others. */
export function isHeld(rule: PolicyRule, held: readonly PolicyRule[]): boolean {
  return rule.verbs.every(
    (verb) =>
      (rule.nonResourceURLs ?? []).every((url) => held.some((each) => coversUrl(each, verb, url))) &&
      (rule.apiGroups ?? []).every((group) =>
        (rule.resources ?? []).every((full) => {
          const [resource = "", subresource = ""] = full.split("/");
          const covering = held.filter((each) =>
            ruleCovers(each, { type: "resource", verb, group, version: "", resource, subresource, namespace: "" }),
          );
          const names = rule.resourceNames ?? [];
          const isAllHeld = covering.some((each) => (each.resourceNames ?? []).length === 0);
          return (
            isAllHeld ||
            (names.length > 0 && names.every((name) => covering.some((each) => each.resourceNames?.includes(name))))
          );
        }),
      ),
  );
}

function coversUrl({ verbs, nonResourceURLs = [] }: PolicyRule, verb: string, url: string): boolean {
  return (
    (verbs.includes("*") || verbs.includes(verb)) &&
    nonResourceURLs.some((each) => each === url || (each.endsWith("*") && url.startsWith(each.slice(0, -1))))
  );
}

// The words of k8s.io/kubernetes/pkg/registry/rbac/validation/rule.go, which people search for.
function sentence({ name, groups }: UserInfo, missing: readonly PolicyRule[]): string {
  return `user ${JSON.stringify(name)} (groups=${quoted(groups)}) is attempting to grant RBAC permissions not currently held:\n${missing.map(shown).join("\n")}`;
}

function shown(rule: PolicyRule): string {
  const parts = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["ResourceNames", rule.resourceNames],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["Verbs", rule.verbs],
  ] as const;
  return `{${parts.flatMap(([label, list]) => (list === undefined || list.length === 0 ? [] : [`${label}:${quoted(list)}`])).join(", ")}}`;
}

function quoted(list: readonly string[]): string {
  return `[${list.map((each) => JSON.stringify(each)).join(" ")}]`;
}
