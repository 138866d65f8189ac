// The open connection of each Provider object. The Provider controller opens and closes them; all others only look here.

import type { Provider, ProviderEvent } from "@vivarium/provider";

export interface ProviderKey {
  readonly namespace: string;
  readonly name: string;
}

export interface RegistryEvent {
  readonly provider: ProviderKey;
  readonly event: ProviderEvent;
}

export interface ProviderRegistry {
  /** The open provider of this Provider object, whether or not its endpoint answers now; undefined when there is none. */
  get(key: ProviderKey): Provider | undefined;
  /** Events of all providers, also of those opened later. */
  subscribe(listener: (event: RegistryEvent) => void, options: { readonly signal: AbortSignal }): void;
}
