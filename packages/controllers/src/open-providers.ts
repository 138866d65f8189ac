// The registry itself: holds one open provider for each Provider object. Only the Provider controller opens and closes.

import { isDeepStrictEqual } from "node:util";
import type { Provider, ProviderConfig, ProviderFactory } from "@vivarium/provider";
import type { ProviderKey, ProviderRegistry, RegistryEvent } from "./provider-registry.ts";

interface Entry {
  readonly type: string;
  readonly config: ProviderConfig;
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
    return this.#entries.get(idOf(key))?.provider;
  }

  subscribe(listener: (event: RegistryEvent) => void, { signal }: { readonly signal: AbortSignal }): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  /** Whether it is open with just this configuration. */
  isOpen(key: ProviderKey, { type, config }: { readonly type: string; readonly config: ProviderConfig }): boolean {
    const entry = this.#entries.get(idOf(key));
    return entry !== undefined && entry.type === type && isDeepStrictEqual(entry.config, config);
  }

  /** Opens it, after closing what was open under this key. Does not wait for the connection. */
  async open(
    key: ProviderKey,
    { type, config }: { readonly type: string; readonly config: ProviderConfig },
  ): Promise<void> {
    await this.close(key);
    const factory = this.#factories.get(type);
    if (factory === undefined)
      throw new RangeError(`Cannot open ${idOf(key)}: no provider of type "${type}" is built in`);
    const provider = factory.open(config);
    const closed = new AbortController();
    this.#entries.set(idOf(key), { type, config, provider, closed });
    provider.subscribe(
      (event) => {
        for (const listener of this.#listeners) listener({ provider: key, event });
      },
      { signal: closed.signal },
    );
  }

  async close(key: ProviderKey): Promise<void> {
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

function idOf(key: ProviderKey): string {
  return `${key.namespace}/${key.name}`;
}
