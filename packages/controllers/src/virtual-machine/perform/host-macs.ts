// The MAC addresses of all domains of a host. A list of them is as long as the host has interfaces; machines that are made in one go share
// one. What is given meanwhile is in the MacLedger.

import type { MacUse, Provider } from "@vivarium/provider";
import type { Clock } from "@vivarium/runtime";

type Uses = ReadonlyMap<string, readonly MacUse[]>;

const believeMs = 2_000;

export class HostMacs {
  readonly #clock: Clock;
  readonly #known = new WeakMap<Provider, { readonly atMs: number; readonly uses: Uses }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async usesOn(provider: Provider, options: { readonly signal: AbortSignal }): Promise<Uses> {
    const known = this.#known.get(provider);
    if (known !== undefined && this.#clock.now() - known.atMs < believeMs) return known.uses;
    const uses = Map.groupBy((await provider.nics?.listMacs(options)) ?? [], ({ mac }) => mac);
    this.#known.set(provider, { atMs: this.#clock.now(), uses });
    return uses;
  }
}
