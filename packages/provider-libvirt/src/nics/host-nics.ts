// Interfaces of every domain on the host, whoever made it: which MAC addresses and network filters are in use. A domain is read once and
// again when something happened to it.

import { DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";
import type { NicView } from "../domain/nics.ts";
import { parseDomainXml } from "../domain/view.ts";

export interface DomainNics {
  readonly domain: string;
  readonly uid: string;
  /** As they are and as they will be at the next start. */
  readonly nics: readonly NicView[];
}

export class HostNics {
  readonly #known = new Map<string, Promise<DomainNics | undefined>>();

  async list(libvirt: Libvirt, options?: CallOptions): Promise<readonly DomainNics[]> {
    const domains = await libvirt.connectListAllDomains(options);
    const present = new Set(domains.map(({ uuid }) => uuid));
    for (const uuid of this.#known.keys()) if (!present.has(uuid)) this.#known.delete(uuid);
    const all = await Promise.all(domains.map((domain) => this.#nicsOf(libvirt, domain)));
    return all.filter((each) => each !== undefined);
  }

  /** Something happened to the domain. */
  forget(uuid: string): void {
    this.#known.delete(uuid);
  }

  /** Events may have been missed. */
  forgetAll(): void {
    this.#known.clear();
  }

  #nicsOf(libvirt: Libvirt, domain: Domain): Promise<DomainNics | undefined> {
    const known = this.#known.get(domain.uuid);
    if (known !== undefined) return known;
    const reading = read(libvirt, domain).catch((error: unknown) => {
      if (this.#known.get(domain.uuid) === reading) this.#known.delete(domain.uuid);
      if (isLibvirtError(error, "NO_DOMAIN")) return undefined;
      throw error;
    });
    this.#known.set(domain.uuid, reading);
    return reading;
  }
}

async function read(libvirt: Libvirt, domain: Domain): Promise<DomainNics> {
  const xmls = await Promise.all([
    libvirt.domainGetXmlDesc(domain),
    ...(domain.id >= 0 ? [libvirt.domainGetXmlDesc(domain, { flags: DomainXmlFlags.INACTIVE })] : []),
  ]);
  return { domain: domain.name, uid: domain.uuid, nics: xmls.flatMap((xml) => parseDomainXml(xml).nics) };
}
