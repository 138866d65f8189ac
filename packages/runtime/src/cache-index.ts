// The objects of a cache by something in them, kept up to date with it: for what would else look at all objects for each of them.

import type { KubeObject } from "@vivarium/api";
import type { CacheIndex } from "./controller.ts";

export class ObjectIndex<T extends KubeObject> implements CacheIndex<T> {
  readonly #keysOf: (object: T) => readonly string[];
  readonly #byKey = new Map<string, Map<string, T>>();

  constructor(keysOf: (object: T) => readonly string[]) {
    this.#keysOf = keysOf;
  }

  of(key: string): readonly T[] {
    return [...(this.#byKey.get(key)?.values() ?? [])];
  }

  count(key: string): number {
    return this.#byKey.get(key)?.size ?? 0;
  }

  /** `name` is the object's among all of the cache. */
  replace(name: string, change: { readonly previous?: T; readonly object?: T }): void {
    if (change.previous !== undefined) {
      for (const key of this.#keysOf(change.previous)) {
        const group = this.#byKey.get(key);
        group?.delete(name);
        if (group?.size === 0) this.#byKey.delete(key);
      }
    }
    if (change.object === undefined) return;
    for (const key of this.#keysOf(change.object)) {
      const group = this.#byKey.get(key) ?? new Map<string, T>();
      this.#byKey.set(key, group.set(name, change.object));
    }
  }
}
