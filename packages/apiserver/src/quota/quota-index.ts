// Which names are limited in which namespace, known without asking the store: nearly all writes meet no quota.

import type { Store } from "@vivarium/store";
import type { Logger } from "pino";
import type { Resource } from "../resource.ts";
import { StoreMirror } from "../store-mirror.ts";
import { limitedNames, readQuota } from "./stored-quota.ts";

interface Entry {
  readonly namespace: string;
  readonly limited: ReadonlySet<string>;
  /** On the clock that never goes back. */
  readonly changedAtMs: number;
}

export class QuotaIndex {
  readonly #entries = new Map<string, Entry>();
  #limited = new Map<string, ReadonlySet<string>>();
  readonly #mirror: StoreMirror;

  constructor(options: { readonly store: Store; readonly log: Logger; readonly resource: Resource }) {
    const { resource } = options;
    const prefix = resource.keyPrefix();
    this.#mirror = new StoreMirror({
      ...options,
      prefix,
      onChange: (key, value) => {
        const [namespace = ""] = key.slice(prefix.length).split("/");
        if (value === undefined) this.#entries.delete(key);
        else {
          const limited = limitedNames(readQuota(value, resource));
          this.#entries.set(key, { namespace, limited, changedAtMs: performance.now() });
        }
      },
      onBatch: () => this.#join(),
    });
  }

  async load(): Promise<void> {
    await this.#mirror.load();
  }

  follow(signal: AbortSignal): Promise<void> {
    return this.#mirror.follow(signal);
  }

  /** Canonical names that any quota of the namespace limits; undefined when it has no quota. */
  limitedIn(namespace: string): ReadonlySet<string> | undefined {
    return this.#limited.get(namespace);
  }

  namespaces(): readonly string[] {
    return [...this.#limited.keys()];
  }

  /** For how long no quota of the namespace has changed. */
  quietMs(namespace: string): number {
    const times = [...this.#entries.values()].filter((each) => each.namespace === namespace);
    return performance.now() - Math.max(0, ...times.map((each) => each.changedAtMs));
  }

  #join(): void {
    const limited = new Map<string, Set<string>>();
    for (const entry of this.#entries.values()) {
      const names = limited.get(entry.namespace) ?? new Set();
      for (const name of entry.limited) names.add(name);
      limited.set(entry.namespace, names);
    }
    this.#limited = limited;
  }
}
