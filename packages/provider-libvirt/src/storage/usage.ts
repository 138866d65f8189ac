// What uses a volume: domains that have it as a disk, running or not, and volumes that back onto it. Asked of everything on the host,
// for others than us may use it.

import { DomainXmlFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt, StoragePool } from "@vivarium/libvirt";
import type { CallOptions, Clock, VolumeRef, VolumeUser } from "@vivarium/provider";
import { find, findAll, parseXml } from "../xml/element.ts";
import { parseVolumeXml } from "../volume-xml.ts";

interface DomainUse {
  readonly name: string;
  readonly uid: string;
  readonly isOn: boolean;
  /** Paths, and `pool/volume`. */
  readonly sources: ReadonlySet<string>;
}

interface HostUse {
  readonly domains: readonly DomainUse[];
  readonly clones: readonly (VolumeRef & { readonly backingPath: string })[];
}

/** Looking at every domain is dear; many volumes are looked at in one go. */
const believeMs = 2_000;

export class VolumeUsage {
  readonly #clock: Clock;
  #known: { readonly atMs: number; readonly use: Promise<HostUse> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `isFresh`: asked now, because something is about to be destroyed. */
  async usersOf(
    libvirt: Libvirt,
    volume: VolumeRef & { readonly path: string },
    options: CallOptions & { readonly isFresh?: boolean } = {},
  ): Promise<readonly VolumeUser[]> {
    const { domains, clones } = await this.#use(libvirt, options.isFresh ?? false);
    const keys = [volume.path, `${volume.pool}/${volume.name}`];
    return [
      ...domains
        .filter(({ sources }) => keys.some((key) => sources.has(key)))
        .map(({ name, uid, isOn }): VolumeUser => ({ kind: "vm", name, uid, isOn })),
      ...clones
        .filter(({ backingPath }) => backingPath === volume.path)
        .map(({ pool, name }): VolumeUser => ({ kind: "volume", pool, name })),
    ];
  }

  /** Something changed what uses what. */
  forget(): void {
    this.#known = undefined;
  }

  #use(libvirt: Libvirt, isFresh: boolean): Promise<HostUse> {
    const nowMs = this.#clock.now();
    if (!isFresh && this.#known !== undefined && nowMs - this.#known.atMs < believeMs) return this.#known.use;
    const use = lookAtHost(libvirt);
    this.#known = { atMs: nowMs, use };
    // The next one asks anew.
    use.catch(() => (this.#known = undefined));
    return use;
  }
}

async function lookAtHost(libvirt: Libvirt): Promise<HostUse> {
  const [domains, pools] = await Promise.all([libvirt.connectListAllDomains(), libvirt.connectListAllStoragePools()]);
  const uses = await Promise.all(domains.map((domain) => unlessGone(usesOf(libvirt, domain))));
  const clones = await Promise.all(pools.map((pool) => unlessGone(clonesIn(libvirt, pool))));
  return {
    domains: uses.filter((use) => use !== undefined),
    clones: clones.flatMap((each) => each ?? []),
  };
}

async function usesOf(libvirt: Libvirt, domain: Domain): Promise<DomainUse> {
  const isOn = domain.id >= 0;
  const xmls = await Promise.all([
    libvirt.domainGetXmlDesc(domain),
    // A disk may be there only from the next start on.
    ...(isOn ? [libvirt.domainGetXmlDesc(domain, { flags: DomainXmlFlags.INACTIVE })] : []),
  ]);
  return { name: domain.name, uid: domain.uuid, isOn, sources: new Set(xmls.flatMap(sourcesIn)) };
}

/** Of disks and of what they back onto. */
function sourcesIn(xml: string): readonly string[] {
  return findAll(parseXml(xml), "devices", "disk").flatMap((disk) => {
    const sources: string[] = [];
    for (let layer = find(disk); layer !== undefined; layer = find(layer, "backingStore")) {
      const { file, dev, pool, volume } = find(layer, "source")?.attributes ?? {};
      if (file !== undefined) sources.push(file);
      if (dev !== undefined) sources.push(dev);
      if (pool !== undefined && volume !== undefined) sources.push(`${pool}/${volume}`);
    }
    return sources;
  });
}

async function clonesIn(libvirt: Libvirt, pool: StoragePool): Promise<HostUse["clones"]> {
  if (!(await libvirt.storagePoolIsActive(pool))) return [];
  const volumes = await libvirt.storagePoolListAllVolumes(pool);
  const views = await Promise.all(
    volumes.map((volume) => unlessGone(libvirt.storageVolGetXmlDesc(volume).then(parseVolumeXml))),
  );
  return views.flatMap((view) =>
    view?.backingPath === undefined ? [] : [{ pool: pool.name, name: view.name, backingPath: view.backingPath }],
  );
}

/** Things come and go while the host is looked at. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (isLibvirtError(error, "NO_DOMAIN", "NO_STORAGE_POOL", "NO_STORAGE_VOL", "OPERATION_INVALID")) return undefined;
    throw error;
  }
}
