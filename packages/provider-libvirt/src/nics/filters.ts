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
    return this.#holding({ uid: change.uid, names: filters.map(filterNameOf) }, async () => {
      for (const filter of filters) await this.#ensure(filter, change.options);
      return act();
    });
  }

  /** As `changing`, for a domain that comes from another host with filters that are there. Those that others made are not brought along. */
  async bringing<T>(
    change: {
      readonly uid: string;
      readonly names: readonly string[];
      readonly from: FilterStore;
      readonly options: CallOptions | undefined;
    },
    act: () => Promise<T>,
  ): Promise<T> {
    return this.#holding(change, async () => {
      for (const name of change.names) {
        const xml = await change.from.#xmlOf(name, change.options);
        if (xml !== undefined) await this.#copy(name, xml, change.options);
      }
      return act();
    });
  }

  async #holding<T>(
    { uid, names }: { readonly uid: string; readonly names: readonly string[] },
    act: () => Promise<T>,
  ): Promise<T> {
    for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 0) + 1);
    try {
      return await act();
    } finally {
      for (const name of names) this.#held.set(name, (this.#held.get(name) ?? 1) - 1);
      this.#hostNics.forget(uid);
      await this.#removeUnused();
    }
  }

  async #xmlOf(name: string, options: CallOptions | undefined): Promise<string | undefined> {
    return this.#host.attempt(`read network filter "${name}"`, async (libvirt) => {
      const found = await findFilter(libvirt, name, options);
      return found !== undefined && isOurFilter(found) ? libvirt.nwfilterGetXmlDesc(found, options) : undefined;
    });
  }

  async #copy(name: string, xml: string, options: CallOptions | undefined): Promise<void> {
    await this.#host.attempt(`make network filter "${name}"`, async (libvirt) => {
      if ((await findFilter(libvirt, name, options)) === undefined) await libvirt.nwfilterDefineXml(xml, options);
    });
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
