// Who is plugged into a network: every domain of the host, ours or not, running or not. Looking at every domain is dear, and many networks are
// looked at in one go.

import { DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions, Clock } from "@vivarium/provider";
import { readMark } from "../domain/identity.ts";
import { find, findAll, parseXml } from "../xml/element.ts";
import type { XmlElement } from "../xml/element.ts";

/** An interface of a running domain, as libvirt tells it. */
export interface LiveNic {
  readonly network: string;
  /** Of the network; absent before libvirt 5.5. */
  readonly port: string | undefined;
  /** Defined on the network, and runs on a bridge: left half-way by a reconnect that was cut short. */
  readonly isHalfWay?: true;
  readonly element: XmlElement;
}

export interface DomainUse {
  readonly domain: Domain;
  readonly isOurs: boolean;
  readonly networks: ReadonlySet<string>;
  readonly live: readonly LiveNic[];
}

const believeMs = 2_000;

export class NetworkUsers {
  readonly #clock: Clock;
  #known: { readonly atMs: number; readonly use: Promise<readonly DomainUse[]> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order of their names. `isFresh`: asked now, because something is about to be done about it. */
  async of(
    libvirt: Libvirt,
    network: string,
    options: CallOptions & { readonly isFresh?: boolean } = {},
  ): Promise<readonly DomainUse[]> {
    const uses = await this.#use(libvirt, options.isFresh ?? false);
    return uses
      .filter(({ networks }) => networks.has(network))
      .toSorted((a, b) => a.domain.name.localeCompare(b.domain.name));
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
  const xmlOf = async (flags: number): Promise<XmlElement> =>
    parseXml(await libvirt.domainGetXmlDesc(domain, { flags }));
  try {
    const [defined, running] = await Promise.all([
      xmlOf(DomainXmlFlags.INACTIVE),
      domain.id < 0 ? undefined : xmlOf(0),
    ]);
    const known = nicsIn(defined);
    const live = running === undefined ? [] : [...nicsIn(running), ...halfWayIn(running, known)];
    const networks = new Set([...known, ...live].map(({ network }) => network));
    return [{ domain, isOurs: readMark(defined) !== undefined, networks, live }];
  } catch (error) {
    // Gone while the host is looked at.
    if (isLibvirtError(error, "NO_DOMAIN")) return [];
    throw error;
  }
}

function nicsIn(domain: XmlElement): readonly LiveNic[] {
  return findAll(domain, "devices", "interface").flatMap((nic) => {
    const { network, portid } = find(nic, "source")?.attributes ?? {};
    return network === undefined ? [] : [{ network, port: portid, element: nic }];
  });
}

export function halfWayIn(running: XmlElement, defined: readonly LiveNic[]): readonly LiveNic[] {
  const macOf = (nic: XmlElement): string => find(nic, "mac")?.attributes["address"] ?? "";
  return findAll(running, "devices", "interface")
    .filter((nic) => nic.attributes["type"] === "bridge")
    .flatMap((nic) => {
      const network = defined.find((each) => macOf(each.element) === macOf(nic))?.network;
      return network === undefined ? [] : [{ network, port: undefined, isHalfWay: true as const, element: nic }];
    });
}
