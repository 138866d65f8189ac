// Network filters on the host: made before an interface needs one, removed once none does. Only ours are ever changed.

import { isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, NicDefinition, NicFilter } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { renderXml } from "../xml/element.ts";
import { filterElement, filterNameOf, isOurFilter } from "./filter-xml.ts";
import type { HostNics } from "./host-nics.ts";

export class FilterStore {
  readonly #host: LibvirtHost;
  readonly #hostNics: HostNics;
  /** Filters that a domain is about to refer to, and how many are at it. */
  readonly #held = new Map<string, number>();

  constructor({ host, hostNics }: { readonly host: LibvirtHost; readonly hostNics: HostNics }) {
    this.#host = host;
    this.#hostNics = hostNics;
  }

  /** Has the filters of these interfaces there while `act` makes a domain refer to them; then removes those that none refers to any more. */
  async changing<T>(
    change: {
      readonly uid: string;
      readonly nics: readonly NicDefinition[];
      readonly options: CallOptions | undefined;
    },
    act: () => Promise<T>,
  ): Promise<T> {
    const filters = change.nics.flatMap(({ filter }) => filter ?? []);
    const names = filters.map(filterNameOf);
    for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    try {
      for (const filter of filters) await this.#ensure(filter, change.options);
      return await act();
    } finally {
      for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 1) - 1);
      this.#hostNics.forget(change.uid);
      await this.#removeUnused();
    }
  }

  async #ensure(filter: NicFilter, options: CallOptions | undefined): Promise<void> {
    const name = filterNameOf(filter);
    await this.#host.attempt(`make network filter "${name}"`, async (libvirt) => {
      const found = await findFilter(libvirt, name, options);
      if (found === undefined) {
        await libvirt.nwfilterDefineXml(renderXml(filterElement(filter)), options);
      } else if (!isOurFilter(found)) {
        throw new ProviderError("Conflict", `Cannot make network filter "${name}": there is one that is not ours`);
      }
    });
  }

  /** A filter that stays does no harm, and goes with the next change. */
  async #removeUnused(): Promise<void> {
    try {
      await this.#host.attempt("remove network filters", async (libvirt) => {
        const ours = (await libvirt.connectListAllNwFilters()).filter(isOurFilter);
        if (ours.length === 0) return;
        const domains = await this.#hostNics.list(libvirt);
        const used = new Set(domains.flatMap(({ nics }) => nics.map(({ filter }) => filter)));
        for (const filter of ours) {
          if (used.has(filter.name) || (this.#held.get(filter.name) ?? 0) > 0) continue;
          await libvirt.nwfilterUndefine(filter);
        }
      });
    } catch (error) {
      this.#host.log.info({ err: error }, "network filters that nobody uses were not removed");
    }
  }
}

/** By name; undefined when there is none. */
export async function findFilter(
  libvirt: Libvirt,
  name: string,
  options: CallOptions | undefined,
): Promise<{ readonly name: string; readonly uuid: string } | undefined> {
  try {
    return await libvirt.nwfilterLookupByName(name, options);
  } catch (error) {
    if (isLibvirtError(error, "NO_NWFILTER")) return undefined;
    throw error;
  }
}
