// Who is plugged into a network: every domain of the host, ours or not, running or not. Looking at every domain is dear, and many networks are
// looked at in one go.

import { DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions, Clock, NetworkUser } from "@vivarium/provider";
import { parseDomainXml } from "../domain/view.ts";

interface DomainUse extends NetworkUser {
  readonly networks: ReadonlySet<string>;
}

const believeMs = 2_000;

export class NetworkUsers {
  readonly #clock: Clock;
  #known: { readonly atMs: number; readonly use: Promise<readonly DomainUse[]> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order of their names. `isFresh`: asked now, because the network is about to be destroyed. */
  async of(
    libvirt: Libvirt,
    network: string,
    options: CallOptions & { readonly isFresh?: boolean } = {},
  ): Promise<readonly NetworkUser[]> {
    const domains = await this.#use(libvirt, options.isFresh ?? false);
    return domains
      .filter(({ networks }) => networks.has(network))
      .map(({ name, uid }) => ({ name, uid }))
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** Something changed what uses what. */
  forget(): void {
    this.#known = undefined;
  }

  #use(libvirt: Libvirt, isFresh: boolean): Promise<readonly DomainUse[]> {
    const nowMs = this.#clock.now();
    if (!isFresh && this.#known !== undefined && nowMs - this.#known.atMs < believeMs) return this.#known.use;
    const use = lookAtDomains(libvirt);
    this.#known = { atMs: nowMs, use };
    // The next one asks anew.
    use.catch(() => (this.#known = undefined));
    return use;
  }
}

async function lookAtDomains(libvirt: Libvirt): Promise<readonly DomainUse[]> {
  const domains = await libvirt.connectListAllDomains();
  const uses = await Promise.all(domains.map((domain) => useOf(libvirt, domain)));
  return uses.flat();
}

/** By the definition as well as by what runs: either would break. */
async function useOf(libvirt: Libvirt, domain: Domain): Promise<readonly DomainUse[]> {
  const flags = domain.id < 0 ? [DomainXmlFlags.INACTIVE] : [0, DomainXmlFlags.INACTIVE];
  try {
    const xmls = await Promise.all(flags.map((each) => libvirt.domainGetXmlDesc(domain, { flags: each })));
    const nics = xmls.flatMap((xml) => parseDomainXml(xml).nics);
    const networks = new Set(nics.flatMap(({ network }) => network ?? []));
    return [{ name: domain.name, uid: domain.uuid, networks }];
  } catch (error) {
    // Gone while the host is looked at.
    if (isLibvirtError(error, "NO_DOMAIN")) return [];
    throw error;
  }
}
