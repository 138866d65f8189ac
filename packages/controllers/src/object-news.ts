// Tells changes that matter to others from those that do not: two controllers that each watch the other's status would otherwise wake each
// other for as long as any figure moves.

import type { KubeObject } from "@vivarium/api";

export class ObjectNews<T extends KubeObject> {
  readonly #factsOf: (object: T) => unknown;
  readonly #known = new Map<string, string>();

  /** `factsOf`: what others depend on, as JSON. */
  constructor(factsOf: (object: T) => unknown) {
    this.#factsOf = factsOf;
  }

  /** Whether the facts differ from those of the last call for this object. */
  isNews(object: T): boolean {
    const { uid = "", deletionTimestamp } = object.metadata;
    const facts = JSON.stringify([deletionTimestamp, this.#factsOf(object)]);
    if (this.#known.get(uid) === facts) return false;
    this.#known.set(uid, facts);
    return true;
  }
}
