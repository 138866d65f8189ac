// Everything that a step on a VM's snapshots depends on, looked at in one go.

import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import { isSeed, nameOfDisk } from "../domain/disks.ts";
import type { DiskView } from "../domain/disks.ts";
import { findOwnDomain } from "../domain/lookup.ts";
import type { DomainView } from "../domain/view.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { diskOfVolume, diskVolumeName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import type { VolumeUsage } from "../storage/usage.ts";
import type { VolumeView } from "../volume-xml.ts";
import { volumeIn } from "./heads.ts";
import type { DiskLayers, Layer } from "./layers.ts";
import { frozenVolumes } from "./record.ts";
import type { SnapshotRecord } from "./record.ts";

export interface SnapshotParts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly usage: VolumeUsage;
}

/** A disk of the VM's own that its domain has. */
export interface OwnDisk {
  readonly name: string;
  readonly target: string;
  /** The volume that is written. */
  readonly head: string;
}

export interface DomainDisks {
  readonly own: readonly OwnDisk[];
  /** Written, with a life of their own. */
  readonly volumes: readonly { readonly disk: string; readonly target: string; readonly format: string }[];
  /** Not written. */
  readonly readOnly: readonly { readonly disk: string; readonly target: string }[];
  /** The VM's own, with files that nobody here made. */
  readonly strange: readonly string[];
  /** Targets that no snapshot is about. */
  readonly seed: readonly string[];
}

export interface SnapshotLook {
  readonly libvirt: Libvirt;
  readonly domain: Domain;
  readonly poolPath: string;
  /** As it runs; as it is defined while it is off. */
  readonly view: DomainView;
  readonly power: string;
  readonly isOn: boolean;
  /** Of a VM that is off: saved to disk, with the files that it has now. */
  readonly hasSavedMemory: boolean;
  readonly disks: DomainDisks;
  readonly record: SnapshotRecord;
  /** Volumes of the VM, by name. */
  readonly volumes: ReadonlyMap<string, VolumeView>;
  /** Of the VM's own disks that its domain has, by disk. */
  readonly layers: ReadonlyMap<string, DiskLayers>;
}

/** Undefined where there is no domain; Conflict where it is somebody else's. */
export async function lookAtSnapshots(
  { host, pool, usage }: SnapshotParts,
  {
    vm,
    action,
    options,
  }: { readonly vm: VmIdentity; readonly action: string; readonly options: CallOptions | undefined },
): Promise<SnapshotLook | undefined> {
  // libvirt learns from the files only now what backs onto what.
  await pool.refresh(options);
  return pool.use(
    `${action} VM "${vm.name}"`,
    async ({ libvirt, path: poolPath }) => {
      const own = await findOwnDomain(libvirt, { vm, options, action });
      if (own === undefined) return undefined;
      const { domain, view, power } = own;
      const names = (await pool.names(options)).filter((name) => diskOfVolume(vm, name) !== undefined);
      const found = await Promise.all(names.map((name) => pool.find(name, options)));
      const volumes = new Map(
        found.flatMap((volume) => (volume === undefined ? [] : [[volume.name, volume] as const])),
      );
      const disks = classify(vm, view.disks, poolPath);
      const record = view.snapshots;
      const needed = await neededByOthers(libvirt, { domain, volumes, pool: host.config.pool, usage, options });
      const frozen = new Set([...frozenVolumes(record), ...needed]);
      const layers = new Map(
        disks.own.map(({ name, head }): [string, DiskLayers] => [
          name,
          { layers: layersOf(vm, { disk: name, volumes, poolPath }), head, first: diskVolumeName(vm, name), frozen },
        ]),
      );
      const isOn = power.power !== "off" && power.power !== "crashed";
      const hasSavedMemory = !isOn && (await libvirt.domainHasManagedSaveImage(domain, options));
      return {
        libvirt,
        domain,
        poolPath,
        hasSavedMemory,
        view,
        power: power.power,
        isOn,
        disks,
        record,
        volumes,
        layers,
      };
    },
    options,
  );
}

export async function requireLook(
  parts: SnapshotParts,
  subject: { readonly vm: VmIdentity; readonly action: string; readonly options: CallOptions | undefined },
): Promise<SnapshotLook> {
  const look = await lookAtSnapshots(parts, subject);
  if (look !== undefined) return look;
  throw new ProviderError("NotFound", `Cannot ${subject.action} VM "${subject.vm.name}": it has no domain`);
}

function classify(vm: VmIdentity, views: readonly DiskView[], poolPath: string): DomainDisks {
  const own: OwnDisk[] = [];
  const volumes: DomainDisks["volumes"][number][] = [];
  const readOnly: DomainDisks["readOnly"][number][] = [];
  const strange: string[] = [];
  const seed: string[] = [];
  for (const view of views) {
    const { target, format } = view;
    const disk = nameOfDisk(vm, view) ?? target;
    const volume = volumeIn(vm, view, poolPath);
    if (isSeed(vm, view)) seed.push(target);
    else if (view.isReadOnly) readOnly.push({ disk, target });
    else if (volume === undefined) volumes.push({ disk, target, format });
    else if (diskOfVolume(vm, volume) === disk) own.push({ name: disk, target, head: volume });
    else strange.push(disk);
  }
  return { own, volumes, readOnly, strange, seed };
}

function layersOf(
  vm: VmIdentity,
  from: {
    readonly disk: string;
    readonly volumes: ReadonlyMap<string, VolumeView>;
    readonly poolPath: string;
  },
): readonly Layer[] {
  const { disk, volumes, poolPath } = from;
  return [...volumes.values()]
    .filter(({ name }) => diskOfVolume(vm, name) === disk)
    .map(({ name, backingPath }) => {
      const base =
        backingPath?.startsWith(`${poolPath}/`) === true ? backingPath.slice(poolPath.length + 1) : undefined;
      return { volume: name, ...(base !== undefined && diskOfVolume(vm, base) === disk ? { base } : {}) };
    });
}

/** Volumes that something beside the VM and its own files uses. */
async function neededByOthers(
  libvirt: Libvirt,
  {
    domain,
    volumes,
    pool,
    usage,
    options,
  }: {
    readonly domain: Domain;
    readonly volumes: ReadonlyMap<string, VolumeView>;
    readonly pool: string;
    readonly usage: VolumeUsage;
    readonly options: CallOptions | undefined;
  },
): Promise<readonly string[]> {
  const needed: string[] = [];
  let isFresh = true;
  for (const { name, path } of volumes.values()) {
    const users = await usage.usersOf(libvirt, { pool, name, path }, { ...options, isFresh });
    // One look at the host serves all files.
    isFresh = false;
    const other = users.find((user) =>
      user.kind === "vm" ? user.uid !== domain.uuid : user.pool !== pool || !volumes.has(user.name),
    );
    if (other !== undefined) needed.push(name);
  }
  return needed;
}
