// Roles and bindings in memory, arranged so that a user's rules are found without looking at other users' bindings.

import type { PolicyRule, RoleReference, Subject, UserInfo } from "@vivarium/api";

interface BoundRole {
  /** Empty for ClusterRoleBindings. */
  readonly namespace: string;
  readonly name: string;
  readonly roleRef: RoleReference;
  readonly subjects: readonly Subject[];
}

/** A rule, and by which binding the user has it. */
export interface GrantedRule {
  readonly rule: PolicyRule;
  readonly reason: string;
}

export interface Grants {
  readonly rules: readonly GrantedRule[];
  /** Bindings of the user that name a role that is not there. */
  readonly problems: readonly string[];
}

/** What is read of a stored role or binding; any part may be missing. */
interface StoredAccessObject {
  readonly rules?: readonly PolicyRule[] | null;
  readonly subjects?: readonly Subject[] | null;
  readonly roleRef?: RoleReference;
}

export class RbacIndex {
  /** By `ClusterRole//name` and `Role/namespace/name`. */
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #bindings = new Map<string, BoundRole>();
  readonly #bySubject = new Map<string, Set<BoundRole>>();

  /** `key`: of the store below the group's prefix, for example `rolebindings/default/a`. `object` undefined: it is gone. */
  set(key: string, object: StoredAccessObject | undefined): void {
    const [plural, ...place] = key.split("/");
    const name = place.at(-1) ?? "";
    const namespace = place.length > 1 ? (place[0] ?? "") : "";
    switch (plural) {
      case "roles":
      case "clusterroles": {
        const roleKey = keyOfRole(plural === "roles" ? "Role" : "ClusterRole", namespace, name);
        if (object === undefined) this.#roles.delete(roleKey);
        else this.#roles.set(roleKey, object.rules ?? []);
        return;
      }
      case "rolebindings":
      case "clusterrolebindings":
        this.#unbind(key);
        if (object?.roleRef !== undefined)
          this.#bind(key, { namespace, name, roleRef: object.roleRef, subjects: object.subjects ?? [] });
        return;
      default:
    }
  }

  /** Undefined when there is no such role. */
  rulesOfRole(roleRef: RoleReference, namespace: string): readonly PolicyRule[] | undefined {
    return this.#roles.get(keyOfRole(roleRef.kind, roleRef.kind === "Role" ? namespace : "", roleRef.name));
  }

  /** What the user may do by bindings in this namespace; in the empty one: everywhere. */
  grantsIn(namespace: string, user: UserInfo): Grants {
    const rules: GrantedRule[] = [];
    const problems: string[] = [];
    const seen = new Set<BoundRole>();
    for (const subjectKey of [`User/${user.name}`, ...user.groups.map((group) => `Group/${group}`)]) {
      for (const binding of this.#bySubject.get(subjectKey) ?? []) {
        if (binding.namespace !== namespace || seen.has(binding)) continue;
        seen.add(binding);
        const found = this.rulesOfRole(binding.roleRef, namespace);
        if (found === undefined) problems.push(missingRole(binding.roleRef));
        const reason = reasonOf(binding, subjectKey);
        rules.push(...(found ?? []).map((rule) => ({ rule, reason })));
      }
    }
    return { rules, problems };
  }

  #bind(key: string, binding: BoundRole): void {
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects) {
      const subjectKey = keyOfSubject(subject, binding.namespace);
      const bindings = this.#bySubject.get(subjectKey) ?? new Set();
      this.#bySubject.set(subjectKey, bindings.add(binding));
    }
  }

  #unbind(key: string): void {
    const binding = this.#bindings.get(key);
    if (binding === undefined) return;
    this.#bindings.delete(key);
    for (const subject of binding.subjects) {
      const subjectKey = keyOfSubject(subject, binding.namespace);
      const bindings = this.#bySubject.get(subjectKey);
      bindings?.delete(binding);
      if (bindings?.size === 0) this.#bySubject.delete(subjectKey);
    }
  }
}

function keyOfRole(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

/** A service account is the user of that name; without a namespace it is one of the binding's own. */
function keyOfSubject({ kind, name, namespace }: Subject, bindingNamespace: string): string {
  if (kind !== "ServiceAccount") return `${kind}/${name}`;
  const where = namespace === undefined || namespace === "" ? bindingNamespace : namespace;
  return where === "" ? "nobody" : `User/system:serviceaccount:${where}:${name}`;
}

function reasonOf({ namespace, name, roleRef }: BoundRole, subjectKey: string): string {
  const binding = namespace === "" ? `ClusterRoleBinding "${name}"` : `RoleBinding "${name}/${namespace}"`;
  const at = subjectKey.indexOf("/");
  return `RBAC: allowed by ${binding} of ${roleRef.kind} "${roleRef.name}" to ${subjectKey.slice(0, at)} "${subjectKey.slice(at + 1)}"`;
}

function missingRole({ kind, name }: RoleReference): string {
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io "${name}" not found`;
}
