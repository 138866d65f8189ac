// The registry itself: holds one open connection for each host of each Provider object. Only the Host controller opens and closes.

import { isDeepStrictEqual } from "node:util";
import type { Provider, ProviderConfig, ProviderFactory } from "@vivarium/provider";
import type { HostKey, ProviderKey, ProviderRegistry, RegistryEvent } from "./provider-registry.ts";

/** How a host is reached, and whether it is the one that is meant where none is named. */
export interface HostConnection {
  readonly type: string;
  readonly config: ProviderConfig;
  readonly isFirst: boolean;
}

interface Entry extends HostConnection {
  readonly key: HostKey;
  readonly provider: Provider;
  /** Ends the subscription. */
  readonly closed: AbortController;
}

export class OpenProviders implements ProviderRegistry {
  readonly #factories: ReadonlyMap<string, ProviderFactory>;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: RegistryEvent) => void>();

  /** Factories by `spec.type`. */
  constructor(factories: ReadonlyMap<string, ProviderFactory>) {
    this.#factories = factories;
  }

  get types(): readonly string[] {
    return [...this.#factories.keys()];
  }

  get(key: ProviderKey): Provider | undefined {
    const { namespace, name, host } = key;
    if (host !== undefined) return this.#entries.get(idOf({ namespace, name, host }))?.provider;
    const entries = [...this.#entries.values()];
    return entries.find((entry) => entry.isFirst && entry.key.namespace === namespace && entry.key.name === name)
      ?.provider;
  }

  subscribe(listener: (event: RegistryEvent) => void, { signal }: { readonly signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** Whether it is open in just this way. */
  isOpen(key: HostKey, { type, config, isFirst }: HostConnection): boolean {
    const entry = this.#entries.get(idOf(key));
    return (
      entry !== undefined && entry.type === type && entry.isFirst === isFirst && isDeepStrictEqual(entry.config, config)
    );
  }

  /** Opens it, after closing what was open under this key. Does not wait for the connection. */
  async open(key: HostKey, { type, config, isFirst }: HostConnection): Promise<void> {
    await this.close(key);
    const factory = this.#factories.get(type);
    if (factory === undefined)
      throw new RangeError(`Cannot open ${idOf(key)}: no provider of type "${type}" is built in`);
    const provider = factory.open(config, { name: key.name });
    const closed = new AbortController();
    this.#entries.set(idOf(key), { key, type, config, isFirst, provider, closed });
    provider.subscribe(
      (event) => {
        for (const listener of this.#listeners) listener({ provider: key, event });
      },
      { signal: closed.signal },
    );
  }

  async close(key: HostKey): Promise<void> {
    const entry = this.#entries.get(idOf(key));
    if (entry === undefined) return;
    this.#entries.delete(idOf(key));
    entry.closed.abort();
    await entry.provider.close();
  }

  /** When the server stops. */
  async closeAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.allSettled(
      entries.map((entry) => {
        entry.closed.abort();
        return entry.provider.close();
      }),
    );
  }
}

function idOf(key: HostKey): string {
  return `${key.namespace}/${key.name}/${key.host}`;
}
