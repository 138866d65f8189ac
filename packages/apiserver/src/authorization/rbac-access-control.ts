// Decides by the roles and bindings in the index. What a user asked before is remembered until any role or binding changes, so that an
// answer costs one look into a map.

import type { PolicyRule, UserInfo } from "@vivarium/api";
import type { AccessControl, Decision } from "./access-control.ts";
import type { Attributes, ResourceAttributes } from "./attributes.ts";
import type { GrantedRule, Grants, RbacIndex } from "./rbac-index.ts";
import { nameIsCovered, pathRuleAllows, ruleCovers } from "./rule-matching.ts";

export const allPowerfulGroup = "system:masters";

const byGroup: Decision = { isAllowed: true, reason: `allowed by membership in the group ${allPowerfulGroup}` };
const everything: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

/** More users, or more different questions of one, than this are forgotten all at once. */
const maxRemembered = 4096;

interface RememberedUser {
  /** By namespace; the empty one has what holds everywhere. */
  readonly grants: Map<string, Grants>;
  /** Rules that cover a question but for the object's name. */
  readonly covering: Map<string, readonly GrantedRule[]>;
}

export class RbacAccessControl implements AccessControl {
  readonly #index: RbacIndex;
  readonly #users = new Map<string, RememberedUser>();

  constructor(index: RbacIndex) {
    this.#index = index;
  }

  /** To be called after the index changed. */
  forget(): void {
    this.#users.clear();
  }

  decide(user: UserInfo, attributes: Attributes): Decision {
    if (user.groups.includes(allPowerfulGroup)) return byGroup;
    const known = this.#remembered(user);
    const found =
      attributes.type === "path"
        ? this.#grants(known, user, "").rules.find(({ rule }) => pathRuleAllows(rule, attributes))
        : this.#covering(known, user, attributes).find(({ rule }) => nameIsCovered(rule, attributes.name));
    if (found !== undefined) return { isAllowed: true, reason: found.reason };
    return { isAllowed: false, reason: this.#problems(known, user, namespaceOf(attributes)) };
  }

  rulesOf(user: UserInfo, namespace = ""): { readonly rules: readonly PolicyRule[]; readonly problems: string } {
    if (user.groups.includes(allPowerfulGroup)) return { rules: everything, problems: "" };
    const known = this.#remembered(user);
    const rules = [...new Set(["", namespace])].flatMap((each) => this.#grants(known, user, each).rules);
    return { rules: rules.map(({ rule }) => rule), problems: this.#problems(known, user, namespace) };
  }

  #remembered(user: UserInfo): RememberedUser {
    const key = `${user.name}\n${user.groups.join("\n")}`;
    const known = this.#users.get(key);
    if (known !== undefined) return known;
    if (this.#users.size >= maxRemembered) this.#users.clear();
    const made: RememberedUser = { grants: new Map(), covering: new Map() };
    this.#users.set(key, made);
    return made;
  }

  #grants({ grants }: RememberedUser, user: UserInfo, namespace: string): Grants {
    const known = grants.get(namespace);
    if (known !== undefined) return known;
    const found = this.#index.grantsIn(namespace, user);
    if (grants.size >= maxRemembered) grants.clear();
    grants.set(namespace, found);
    return found;
  }

  #covering(known: RememberedUser, user: UserInfo, attributes: ResourceAttributes): readonly GrantedRule[] {
    const { verb, group, resource, subresource, namespace } = attributes;
    const question = `${verb}\n${group}\n${resource}\n${subresource}\n${namespace}`;
    const asked = known.covering.get(question);
    if (asked !== undefined) return asked;
    const places = namespace === "" ? [""] : ["", namespace];
    const found = places
      .flatMap((place) => this.#grants(known, user, place).rules)
      .filter(({ rule }) => ruleCovers(rule, attributes));
    if (known.covering.size >= maxRemembered) known.covering.clear();
    known.covering.set(question, found);
    return found;
  }

  #problems(known: RememberedUser, user: UserInfo, namespace: string): string {
    const places = namespace === "" ? [""] : ["", namespace];
    const problems = places.flatMap((place) => this.#grants(known, user, place).problems);
    if (problems.length === 0) return "";
    return `RBAC: ${problems.length === 1 ? problems[0] : `[${problems.join(", ")}]`}`;
  }
}

function namespaceOf(attributes: Attributes): string {
  return attributes.type === "path" ? "" : attributes.namespace;
}
