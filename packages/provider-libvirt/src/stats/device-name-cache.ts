// What the user calls the disks and NICs of running domains. Statistics know devices by target and tap device alone; the rest is in the
// domain's XML, which is read once for each start and each change of devices, so that a look at an unchanged host stays one call.

import { isLibvirtError } from "@vivarium/libvirt";
import type { DomainStats, Libvirt } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";
import { isSeed, nameOfDisk } from "../domain/disks.ts";
import { nameOfNic } from "../domain/nics.ts";
import { parseDomainXml } from "../domain/view.ts";
import type { DomainView } from "../domain/view.ts";
import { devicesIn } from "./domain-stats.ts";
import type { DeviceNames } from "./domain-stats.ts";

interface Known {
  /** Run and devices for which the names hold. */
  readonly key: string;
  readonly names: DeviceNames;
}

const noNames: DeviceNames = { disks: new Map(), nics: new Map() };

export class DeviceNameCache {
  #known = new Map<string, Known>();

  /** By the domain's UUID; domains that are off have none. What is in no record any more is forgotten. */
  async namesOf(
    libvirt: Libvirt,
    records: readonly DomainStats[],
    options: CallOptions | undefined,
  ): Promise<(uuid: string) => DeviceNames> {
    const running = records.filter(({ domain }) => domain.id >= 0);
    const entries = await Promise.all(
      running.map(async (record): Promise<[string, Known]> => {
        const key = `${record.domain.id} ${devicesIn(record.values).join(" ")}`;
        const known = this.#known.get(record.domain.uuid);
        if (known?.key === key) return [record.domain.uuid, known];
        return [record.domain.uuid, { key, names: await readNames(libvirt, record, options) }];
      }),
    );
    this.#known = new Map(entries);
    return (uuid) => this.#known.get(uuid)?.names ?? noNames;
  }
}

async function readNames(
  libvirt: Libvirt,
  { domain }: DomainStats,
  options: CallOptions | undefined,
): Promise<DeviceNames> {
  try {
    return namesIn(parseDomainXml(await libvirt.domainGetXmlDesc(domain, options)));
  } catch (error) {
    // It ended meanwhile.
    if (isLibvirtError(error, "NO_DOMAIN")) return noNames;
    throw error;
  }
}

export function namesIn({ mark, disks, nics }: DomainView): DeviceNames {
  return {
    disks: new Map(
      disks.map((disk) => {
        if (mark === undefined) return [disk.target, disk.target];
        return [disk.target, isSeed(mark, disk) ? undefined : (nameOfDisk(mark, disk) ?? disk.target)];
      }),
    ),
    nics: new Map(
      nics.flatMap((nic) => (nic.device === undefined ? [] : [[nic.device, nameOfNic(nic) ?? nic.mac] as const])),
    ),
  };
}
