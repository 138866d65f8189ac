// Keeps the rules of aggregated ClusterRoles: all rules of the ClusterRoles that their selectors match
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles).

import { isDeepStrictEqual } from "node:util";
import { rbac, type ClusterRole, type PolicyRule } from "@vivarium/api";
import { matchesLabels } from "../selectors/match-labels.ts";
import type { OwnApi } from "../tasks/own-api.ts";

export class RoleAggregation {
  readonly #roles = new Map<string, ClusterRole>();
  #isStale = false;

  set(name: string, role: ClusterRole | undefined): void {
    this.#isStale = true;
    if (role === undefined) this.#roles.delete(name);
    else this.#roles.set(name, role);
  }

  /** Writes the rules that are not what they should be; true when there were some. */
  async update(client: OwnApi): Promise<boolean> {
    if (!this.#isStale) return false;
    this.#isStale = false;
    let hasWritten = false;
    for (const role of this.#roles.values()) {
      if (role.aggregationRule === undefined) continue;
      const rules = aggregatedRules(role, [...this.#roles.values()]);
      if (isDeepStrictEqual(rules, role.rules ?? [])) continue;
      hasWritten = true;
      const path = `/apis/${rbac.group}/${rbac.version}/clusterroles/${encodeURIComponent(role.metadata.name)}`;
      await client.patchAt(path, { rules });
    }
    return hasWritten;
  }
}

/** In the order of the roles' names; no rule twice. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const rules = all
    .filter((each) => each.metadata.name !== role.metadata.name)
    .filter((each) => selectors.some((selector) => matchesLabels(selector, each.metadata.labels ?? {})))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .flatMap((each) => each.rules ?? []);
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}
