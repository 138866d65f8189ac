// Looks for the owner that a reference names, in the live store and not in the graph: nothing is deleted on the strength of old news.

import type { OwnerReference } from "@vivarium/api";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { factsOf, isDeletingForeground, type ObjectFacts } from "./owned-object.ts";

export type OwnerState =
  /** It is there. `waits`: it is being deleted in the foreground, after its dependents. */
  | { readonly state: "present"; readonly waits: boolean }
  | { readonly state: "absent" }
  /** Its uid is in another namespace, where a dependent cannot have its owner: it counts as absent. */
  | { readonly state: "elsewhere" }
  /** A cluster-scoped dependent cannot have a namespaced owner: never collected. */
  | { readonly state: "unresolvable" };

/** Kinds may come later: until then nothing can be said of their objects. */
export class UnknownOwnerKindError extends Error {
  override readonly name = "UnknownOwnerKindError";

  constructor({ apiVersion, kind }: OwnerReference) {
    super(`Cannot look for an owner of kind ${kind} of ${apiVersion}: no such kind is served`);
  }
}

export async function findOwner(
  state: ServerState,
  { owner, dependent }: { readonly owner: OwnerReference; readonly dependent: ObjectFacts },
): Promise<OwnerState> {
  const resource = resourceOf(state, owner);
  if (resource.namespaced && dependent.namespace === undefined) return { state: "unresolvable" };
  const found = await factsAt(state, resource.keyOf(dependent.namespace, owner.name));
  if (found?.uid === owner.uid) return { state: "present", waits: isDeletingForeground(found) };
  const isElsewhere = resource.namespaced && (await isInAnotherNamespace(state, { owner, resource, dependent }));
  return { state: isElsewhere ? "elsewhere" : "absent" };
}

function resourceOf(state: ServerState, owner: OwnerReference): Resource {
  const group = owner.apiVersion.includes("/") ? (owner.apiVersion.split("/")[0] ?? "") : "";
  const resource = state.registry.all().find((each) => each.group === group && each.kind === owner.kind);
  if (resource === undefined) throw new UnknownOwnerKindError(owner);
  return resource;
}

async function isInAnotherNamespace(
  state: ServerState,
  {
    owner,
    resource,
    dependent,
  }: { readonly owner: OwnerReference; readonly resource: Resource; readonly dependent: ObjectFacts },
): Promise<boolean> {
  const namespaces = state.registry.find("", "v1", "namespaces");
  if (namespaces === undefined) return false;
  const prefix = namespaces.keyPrefix();
  for (const item of (await state.store.list(prefix)).items) {
    const namespace = item.key.slice(prefix.length);
    if (namespace === dependent.namespace) continue;
    const found = await factsAt(state, resource.keyOf(namespace, owner.name));
    if (found?.uid === owner.uid) return true;
  }
  return false;
}

async function factsAt(state: ServerState, key: string): Promise<ObjectFacts | undefined> {
  const found = await state.store.get(key);
  return found === undefined ? undefined : factsOf(found);
}
