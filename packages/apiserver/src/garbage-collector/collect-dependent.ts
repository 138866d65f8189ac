// Decides about one object with owners: it goes when all of them are gone, and loses references to those that are gone when others stay
// (https://kubernetes.io/docs/concepts/architecture/garbage-collection/).

import type { OwnerReference } from "@vivarium/api";
import type { ServerState } from "../server-state.ts";
import { placeOfKey } from "../stored-place.ts";
import type { OwnApi } from "../tasks/own-api.ts";
import { findOwner } from "./find-owner.ts";
import {
  factsOf,
  foregroundFinalizer,
  isDeletingForeground,
  orphanFinalizer,
  type ObjectFacts,
} from "./owned-object.ts";
import type { OwnerGraph } from "./owner-graph.ts";
import { reportInvalidOwner } from "./report-invalid-owner.ts";

export interface Collector {
  readonly state: ServerState;
  readonly api: OwnApi;
  readonly graph: OwnerGraph;
}

interface Owners {
  /** There, and to stay. */
  readonly solid: readonly OwnerReference[];
  readonly gone: readonly OwnerReference[];
  /** Being deleted after their dependents. */
  readonly waiting: readonly OwnerReference[];
  readonly hasUnresolvable: boolean;
}

export async function collectDependent(collector: Collector, key: string): Promise<void> {
  const { state } = collector;
  const found = await state.store.get(key);
  if (found === undefined) return;
  const facts = factsOf(found);
  if (facts.owners.length === 0 || facts.isDeleting) return;
  const owners = await sortOwners(collector, facts);
  const { solid, gone, waiting } = owners;
  if (solid.length > 0 || owners.hasUnresolvable) {
    if (gone.length + waiting.length > 0) await dropOwners(collector, facts, [...gone, ...waiting]);
    return;
  }
  await remove(collector, facts, await policyOf(collector, facts, waiting));
}

async function sortOwners(collector: Collector, facts: ObjectFacts): Promise<Owners> {
  const solid: OwnerReference[] = [];
  const gone: OwnerReference[] = [];
  const waiting: OwnerReference[] = [];
  let hasUnresolvable = false;
  for (const owner of facts.owners) {
    const found = await findOwner(collector.state, { owner, dependent: facts });
    switch (found.state) {
      case "present":
        (found.waits ? waiting : solid).push(owner);
        break;
      case "absent":
        gone.push(owner);
        break;
      case "elsewhere":
        await reportInvalidOwner(collector, { owner, dependent: facts });
        gone.push(owner);
        break;
      case "unresolvable":
        await reportInvalidOwner(collector, { owner, dependent: facts });
        hasUnresolvable = true;
        break;
    }
  }
  return { solid, gone, waiting, hasUnresolvable };
}

/** How the object itself goes: its own dependents first when its owner waits for it, else as its finalizers say. */
async function policyOf(
  { graph, api, state }: Collector,
  facts: ObjectFacts,
  waiting: readonly OwnerReference[],
): Promise<"Foreground" | "Orphan" | "Background"> {
  const dependents = graph.dependents(facts.uid);
  if (waiting.length > 0 && dependents.length > 0) {
    // A circle of owners that each wait for the other would never end: this one blocks nobody any more.
    const place = placeOfKey(state.registry, facts.key);
    if (place !== undefined && dependents.some(isDeletingForeground))
      await api.patch(place, {
        metadata: {
          uid: facts.uid,
          ownerReferences: facts.owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
        },
      });
    return "Foreground";
  }
  if (facts.finalizers.includes(orphanFinalizer)) return "Orphan";
  return facts.finalizers.includes(foregroundFinalizer) ? "Foreground" : "Background";
}

async function remove(
  { state, api }: Collector,
  facts: ObjectFacts,
  propagationPolicy: "Foreground" | "Orphan" | "Background",
): Promise<void> {
  const place = placeOfKey(state.registry, facts.key);
  if (place === undefined) return;
  // Only the very object that was judged, and for other than foreground deletion only as it was judged.
  const preconditions = {
    uid: facts.uid,
    ...(propagationPolicy !== "Foreground" && { resourceVersion: facts.resourceVersion }),
  };
  await api.delete(place, { kind: "DeleteOptions", apiVersion: "v1", preconditions, propagationPolicy });
}

/** Takes references off an object; refused with Conflict when it has changed since it was read. */
export async function dropOwners(
  { state, api }: Collector,
  facts: ObjectFacts,
  dropped: readonly OwnerReference[],
): Promise<void> {
  const place = placeOfKey(state.registry, facts.key);
  if (place === undefined) return;
  const uids = new Set(dropped.map((owner) => owner.uid));
  await api.patch(place, {
    metadata: {
      uid: facts.uid,
      resourceVersion: facts.resourceVersion,
      ownerReferences: facts.owners.filter((owner) => !uids.has(owner.uid)),
    },
  });
}
