// Who depends on whom, by uid. It holds only objects that have owners, and owners that wait for the collector; everything else is
// looked up when it matters.

import type { KeyValue } from "@vivarium/store";
import { factsOf, foregroundFinalizer, mayMatter, orphanFinalizer, type ObjectFacts } from "./owned-object.ts";

/** Keys of objects that a change makes worth a look. */
export type Affected = ReadonlySet<string>;

export class OwnerGraph {
  readonly #byKey = new Map<string, ObjectFacts>();
  readonly #dependents = new Map<string, Map<string, ObjectFacts>>();
  /** Owners with one of the collector's finalizers, by uid. */
  readonly #waiting = new Map<string, string>();

  put(kv: KeyValue): Affected {
    const old = this.#byKey.get(kv.key);
    if (old === undefined && !mayMatter(kv)) return nothing;
    const facts = factsOf(kv);
    const affected = new Set<string>();
    // Another object of the same name: the old one went unseen.
    if (old !== undefined && old.uid !== facts.uid) for (const key of this.#goneOf(old)) affected.add(key);
    this.#unlink(old);
    if (facts.owners.length > 0) {
      this.#byKey.set(kv.key, facts);
      for (const { uid } of facts.owners) this.#dependentsOf(uid).set(kv.key, facts);
      if (old === undefined || changesOwnership(old, facts)) affected.add(kv.key);
    }
    for (const { uid } of old?.owners ?? []) this.#addWaiting(uid, affected);
    if (facts.isDeleting && facts.finalizers.some((each) => each === foregroundFinalizer || each === orphanFinalizer)) {
      this.#waiting.set(facts.uid, kv.key);
      affected.add(kv.key);
      if (facts.finalizers.includes(foregroundFinalizer))
        for (const dependent of this.dependents(facts.uid)) affected.add(dependent.key);
    } else this.#waiting.delete(facts.uid);
    return affected;
  }

  /** `last`: the object as it was; it matters only when something may depend on it. */
  delete(last: KeyValue): Affected {
    const old = this.#byKey.get(last.key);
    if (old === undefined && this.#dependents.size === 0 && this.#waiting.size === 0) return nothing;
    return this.#goneOf(old ?? factsOf(last));
  }

  /** What names this uid as an owner. */
  dependents(uid: string): readonly ObjectFacts[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])];
  }

  #goneOf(facts: ObjectFacts): Affected {
    const affected = new Set(this.dependents(facts.uid).map((each) => each.key));
    this.#unlink(facts);
    this.#waiting.delete(facts.uid);
    for (const { uid } of facts.owners) this.#addWaiting(uid, affected);
    return affected;
  }

  #addWaiting(uid: string, affected: Set<string>): void {
    const key = this.#waiting.get(uid);
    if (key !== undefined) affected.add(key);
  }

  #unlink(facts: ObjectFacts | undefined): void {
    if (facts === undefined) return;
    this.#byKey.delete(facts.key);
    for (const { uid } of facts.owners) {
      const dependents = this.#dependents.get(uid);
      dependents?.delete(facts.key);
      if (dependents?.size === 0) this.#dependents.delete(uid);
    }
  }

  #dependentsOf(uid: string): Map<string, ObjectFacts> {
    const found = this.#dependents.get(uid);
    if (found !== undefined) return found;
    const made = new Map<string, ObjectFacts>();
    this.#dependents.set(uid, made);
    return made;
  }
}

const nothing: Affected = new Set();

function changesOwnership(old: ObjectFacts, now: ObjectFacts): boolean {
  return old.uid !== now.uid || JSON.stringify(old.owners) !== JSON.stringify(now.owners);
}
