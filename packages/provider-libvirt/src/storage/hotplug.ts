// Disks of running VMs: plugged in, let go, limited, grown. What is changed is changed in the running domain and in its definition at
// once, so that the next start finds the same.

import { DomainModificationImpact, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, DiskLimits, HotDisk, HotplugRole, VmIdentity } from "@vivarium/provider";
import { diskElement, freeTarget, limitKeys, limitNames, nameOfDisk, pathOf, scsiController } from "../domain/disks.ts";
import type { DiskView } from "../domain/disks.ts";
import { requireOwnDomain } from "../domain/lookup.ts";
import { onRunning } from "../domain/running.ts";
import { invalidSpec } from "../libvirt-host.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { VolumePool } from "../pool.ts";
import { diskVolumeName } from "../names.ts";
import { element, findAll, parseXml, renderXml } from "../xml/element.ts";
import { headsOf } from "../snapshots/heads.ts";
import { diskVolumesOf } from "./disk-volumes.ts";
import type { VolumeUsage } from "./usage.ts";

export interface HotplugParts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly usage: VolumeUsage;
}

const { LIVE, CONFIG } = DomainModificationImpact;
const both = LIVE | CONFIG;

export function createHotplug({ host, pool, usage }: HotplugParts): HotplugRole {
  async function pathOfDisk(vm: VmIdentity, disk: HotDisk, options: CallOptions | undefined): Promise<string> {
    const volumePaths = await diskVolumesOf(vm, [disk], { host, usage, options });
    return pool.use(
      `find disk "${disk.name}"`,
      async ({ path }) => {
        const heads = await headsOf(vm, [disk], { pool, poolPath: path, known: [], options });
        return pathOf(vm, disk, { poolPath: path, volumePaths, heads });
      },
      options,
    );
  }

  /** The volume that the disk is written to. */
  async function headOf(
    vm: VmIdentity,
    {
      name,
      action,
      options,
    }: { readonly name: string; readonly action: string; readonly options: CallOptions | undefined },
  ): Promise<string> {
    const heads = await pool.use(
      `${action} VM "${vm.name}"`,
      async ({ libvirt, path }) => {
        const { view } = await requireOwnDomain(libvirt, { vm, options, action });
        return headsOf(vm, [{ name }], { pool, poolPath: path, known: view.disks, options });
      },
      options,
    );
    return heads.get(name) ?? diskVolumeName(vm, name);
  }

  return {
    async attachDisk(vm, disk, options) {
      const path = await pathOfDisk(vm, disk, options);
      const action = `attach disk "${disk.name}" to`;
      await onRunning(vm, { host, action, options }, async ({ libvirt, domain, live, config, configXml }) => {
        const named = (view: DiskView): boolean => nameOfDisk(vm, view) === disk.name;
        if (live.disks.some(named)) return;
        if (disk.bus === "scsi") await ensureScsiController(libvirt, { domain, configXml, options });
        const target = freeTarget([...live.disks, ...config.disks], disk);
        const xml = renderXml(diskElement({ disk, path, target, isRoot: false }));
        // Where only the next start would have had it, it is plugged in now, and stays as it was defined.
        const before = config.disks.find(named);
        if (before !== undefined) await detach(libvirt, { domain, disk: before, flags: CONFIG, options });
        await libvirt.domainAttachDeviceFlags(domain, xml, { ...options, flags: both });
      });
    },

    async requestDetach(vm, name, options) {
      const action = `detach disk "${name}" from`;
      await onRunning(vm, { host, action, options }, async ({ libvirt, domain, live, config }) => {
        const named = (view: DiskView): boolean => nameOfDisk(vm, view) === name;
        const kept = config.disks.find(named);
        // First what the next start has: it needs nobody's consent.
        if (kept !== undefined) await detach(libvirt, { domain, disk: kept, flags: CONFIG, options });
        const plugged = live.disks.find(named);
        if (plugged !== undefined) await detach(libvirt, { domain, disk: plugged, flags: LIVE, options });
      });
    },

    async tuneDisk(vm, { name, limits }, options) {
      const action = `set the limits of disk "${name}" of`;
      await onRunning(vm, { host, action, options }, async ({ libvirt, domain, live }) => {
        const disk = live.disks.find((view) => nameOfDisk(vm, view) === name);
        if (disk === undefined) {
          throw new ProviderError("NotFound", `Cannot ${action} VM "${vm.name}": the domain has no such disk`);
        }
        const tune = { disk: disk.target, limits: limitsFor(limits ?? {}) };
        await libvirt.domainSetBlockIoTune(domain, tune, { ...options, flags: both });
      });
    },

    async growDisk(vm, { name, sizeBytes }, options) {
      const action = `grow disk "${name}" of`;
      const volume = await headOf(vm, { name, action, options });
      const view = await pool.find(volume, options);
      if (view !== undefined && sizeBytes < view.capacityBytes) {
        throw invalidSpec(
          `Cannot ${action} VM "${vm.name}" from ${view.capacityBytes} to ${sizeBytes} bytes: disks do not shrink`,
        );
      }
      if (view?.capacityBytes === sizeBytes) return;
      const isOff = await host.attempt(`${action} VM "${vm.name}"`, async (libvirt) => {
        const { power } = (await requireOwnDomain(libvirt, { vm, options, action })).power;
        return power === "off";
      });
      if (isOff) return pool.resize(volume, sizeBytes, options);
      await onRunning(vm, { host, action, options }, async ({ libvirt, domain, live }) => {
        const disk = live.disks.find((each) => nameOfDisk(vm, each) === name);
        if (disk === undefined) {
          throw new ProviderError("NotFound", `Cannot ${action} VM "${vm.name}": the domain has no such disk`);
        }
        await libvirt.domainBlockResize(domain, { disk: disk.target, capacityBytes: sizeBytes }, options);
      });
    },
  };
}

/** All six: what is not limited is set to none. A total excludes the two of its kind, so that none of both is an answer. */
function limitsFor(limits: DiskLimits): Readonly<Record<string, number>> {
  return Object.fromEntries(limitKeys.map((key) => [limitNames[key], limits[key] ?? 0]));
}

async function ensureScsiController(
  libvirt: Libvirt,
  {
    domain,
    configXml,
    options,
  }: { readonly domain: Domain; readonly configXml: string; readonly options: CallOptions | undefined },
): Promise<void> {
  const has = (xml: string): boolean =>
    findAll(parseXml(xml), "devices", "controller").some(({ attributes }) => attributes["type"] === "scsi");
  const inLive = has(await libvirt.domainGetXmlDesc(domain, options));
  const flags = (inLive ? 0 : LIVE) | (has(configXml) ? 0 : CONFIG);
  if (flags === 0) return;
  // libvirt would make one by itself, of a model that few guests have a driver for.
  await libvirt.domainAttachDeviceFlags(domain, renderXml(scsiController()), { ...options, flags });
}

async function detach(
  libvirt: Libvirt,
  {
    domain,
    disk,
    flags,
    options,
  }: {
    readonly domain: Domain;
    readonly disk: DiskView;
    readonly flags: number;
    readonly options: CallOptions | undefined;
  },
): Promise<void> {
  const xml = renderXml(
    element("disk", { type: "file", device: "disk" }, [
      element("source", { file: disk.source ?? "" }),
      element("target", { dev: disk.target, bus: disk.bus }),
    ]),
  );
  try {
    await libvirt.domainDetachDeviceFlags(domain, xml, { ...options, flags });
  } catch (error) {
    // Gone since; or the guest was asked before and is not done.
    if (isLibvirtError(error, "DEVICE_MISSING")) return;
    throw error;
  }
}
