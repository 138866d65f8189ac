// The open connections of each Provider object, one for each of its hosts. The Host controller opens and closes them; all others only
// look here.

import type { Provider, ProviderEvent } from "@vivarium/provider";

export interface ProviderKey {
  readonly namespace: string;
  readonly name: string;
  /** One of several hosts; the first that the Provider names when absent. */
  readonly host?: string;
}

export interface HostKey extends ProviderKey {
  readonly host: string;
}

export interface RegistryEvent {
  readonly provider: HostKey;
  readonly event: ProviderEvent;
}

export interface ProviderRegistry {
  /** The open connection to this host, whether or not it answers now; undefined when there is none. */
  get(key: ProviderKey): Provider | undefined;
  /** Events of all hosts, also of those opened later. */
  subscribe(listener: (event: RegistryEvent) => void, options: { readonly signal: AbortSignal }): void;
}
