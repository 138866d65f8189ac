// May this user do this? Answered from memory, since every request asks. RBAC is one answer; tests of other things take the one that
// allows everything.

import { StatusError, type PolicyRule, type UserInfo } from "@vivarium/api";
import type { Attributes } from "./attributes.ts";

export interface Decision {
  readonly isAllowed: boolean;
  /** Which binding allowed it, or what went wrong while looking; may be empty. */
  readonly reason: string;
}

export interface AccessControl {
  decide(user: UserInfo, attributes: Attributes): Decision;
  /** All that the user may do in a namespace; without one, everywhere. `problems`: roles that bindings name and that are not there. */
  rulesOf(user: UserInfo, namespace?: string): { readonly rules: readonly PolicyRule[]; readonly problems: string };
}

/** Throws Forbidden, in the words of kube-apiserver. */
export function assertAllowed(access: AccessControl, user: UserInfo, attributes: Attributes): void {
  assertDecision(access.decide(user, attributes), user, attributes);
}

/** Throws Forbidden when the decision is no. */
export function assertDecision(decision: Decision, user: UserInfo, attributes: Attributes): void {
  if (!decision.isAllowed) throw forbiddenFor(user, attributes, decision.reason);
}

// https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/responsewriters/errors.go
function forbiddenFor(user: UserInfo, attributes: Attributes, reason: string): StatusError {
  const why = reason === "" ? "" : `: ${reason}`;
  const who = `User ${JSON.stringify(user.name)} cannot ${attributes.verb}`;
  if (attributes.type === "path")
    return new StatusError("Forbidden", `forbidden: ${who} path ${JSON.stringify(attributes.path)}${why}`);
  const { group, resource, subresource, namespace, name } = attributes;
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  const what = `${group === "" ? resource : `${resource}.${group}`}${name === "" ? "" : ` ${JSON.stringify(name)}`}`;
  return new StatusError(
    "Forbidden",
    `${what} is forbidden: ${who} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${where}${why}`,
    { details: { ...(name !== "" && { name }), ...(group !== "" && { group }), kind: resource } },
  );
}
