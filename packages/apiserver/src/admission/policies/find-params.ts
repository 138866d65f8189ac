// The objects that a binding names as parameters of its policy.

import type { ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec } from "@vivarium/api";
import { matchesLabels } from "../../selectors/match-labels.ts";
import type { ServerState } from "../../server-state.ts";
import { decodeStored, type ApiObject } from "../../stored-object.ts";

type Source = Pick<ServerState, "store" | "registry">;

/** Without a paramKind or a paramRef there is one set: none. `problem`: why the policy cannot be asked. */
export async function findParams(
  { store, registry }: Source,
  policy: ValidatingAdmissionPolicySpec,
  {
    binding,
    namespace,
  }: { readonly binding: ValidatingAdmissionPolicyBindingSpec; readonly namespace: string | undefined },
): Promise<{ readonly params: readonly (ApiObject | null)[]; readonly problem?: string }> {
  const { paramKind } = policy;
  const { paramRef } = binding;
  if (paramKind === undefined || paramRef === undefined) return { params: [null] };
  const resource = registry
    .all()
    .find((each) => each.apiVersion === paramKind.apiVersion && each.kind === paramKind.kind);
  if (resource === undefined)
    return {
      params: [],
      problem: `failed to configure binding: no params found for policy binding, ${paramKind.apiVersion} ${paramKind.kind} is not served`,
    };
  const place = resource.namespaced ? (paramRef.namespace ?? namespace) : undefined;
  if (resource.namespaced && place === undefined)
    return {
      params: [],
      problem:
        "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
    };
  let found: readonly ApiObject[];
  if (paramRef.name !== undefined) {
    const kv = await store.get(resource.keyOf(place, paramRef.name));
    found = kv === undefined ? [] : [decodeStored(kv, resource)];
  } else {
    const { items } = await store.list(resource.keyPrefix(place));
    found = items
      .map((item) => decodeStored(item, resource))
      .filter((object) => matchesLabels(paramRef.selector ?? {}, object.metadata.labels ?? {}));
  }
  if (found.length > 0 || paramRef.parameterNotFoundAction === "Allow") return { params: found };
  return {
    params: [],
    problem: "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
  };
}
