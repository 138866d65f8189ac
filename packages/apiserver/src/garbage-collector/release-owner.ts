// The collector's part in the deletion of an owner: `foregroundDeletion` stays until nothing that blocks it is left, `orphan` until every
// dependent has been set free.

import { placeOfKey } from "../stored-place.ts";
import { dropOwners, type Collector } from "./collect-dependent.ts";
import { factsOf, foregroundFinalizer, orphanFinalizer, type ObjectFacts } from "./owned-object.ts";

/** Returns the keys of dependents that have to go first. */
export async function releaseOwner(collector: Collector, key: string): Promise<readonly string[]> {
  const found = await collector.state.store.get(key);
  if (found === undefined) return [];
  const facts = factsOf(found);
  if (!facts.isDeleting) return [];
  if (facts.finalizers.includes(orphanFinalizer)) {
    await setDependentsFree(collector, facts);
    await removeFinalizer(collector, facts, orphanFinalizer);
    return [];
  }
  if (!facts.finalizers.includes(foregroundFinalizer)) return [];
  const blocking = collector.graph
    .dependents(facts.uid)
    .filter(({ owners }) => owners.some((owner) => owner.uid === facts.uid && owner.blockOwnerDeletion === true));
  if (blocking.length === 0) await removeFinalizer(collector, facts, foregroundFinalizer);
  return blocking.filter((each) => !each.isDeleting).map((each) => each.key);
}

async function setDependentsFree(collector: Collector, owner: ObjectFacts): Promise<void> {
  for (const { key } of collector.graph.dependents(owner.uid)) {
    const found = await collector.state.store.get(key);
    if (found === undefined) continue;
    const dependent = factsOf(found);
    const references = dependent.owners.filter((each) => each.uid === owner.uid);
    if (references.length > 0) await dropOwners(collector, dependent, references);
  }
}

async function removeFinalizer({ state, api }: Collector, facts: ObjectFacts, finalizer: string): Promise<void> {
  const place = placeOfKey(state.registry, facts.key);
  if (place === undefined) return;
  await api.patch(place, {
    metadata: {
      uid: facts.uid,
      resourceVersion: facts.resourceVersion,
      finalizers: facts.finalizers.filter((each) => each !== finalizer),
    },
  });
}
