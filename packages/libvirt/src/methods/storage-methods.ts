// virStoragePool… and virStorageVol…: where disks lie.

import type { StoragePool, StorageVolume } from "../protocol/handles.ts";
import * as pools from "../protocol/storage-pool.ts";
import * as volumes from "../protocol/storage-volume.ts";
import type { CallOptions, FlagOptions } from "../session/call-options.ts";
import { needResults } from "./caller.ts";
import { StorageVolDownloadFlags, StorageVolUploadFlags } from "../constants/storage.ts";
import type { StreamPart } from "../session/rpc-stream.ts";
import { NetworkMethods } from "./network-methods.ts";
import { readSparseStream, readStream, writeStream } from "./stream-transfer.ts";

export interface StoragePoolInfo {
  /** StoragePoolState. */
  readonly state: number;
  readonly capacityBytes: number;
  readonly allocationBytes: number;
  readonly availableBytes: number;
}

export interface StorageVolInfo {
  /** StorageVolType. */
  readonly type: number;
  /** As the guest sees it. */
  readonly capacityBytes: number;
  /** Taken on the host; the file's length when asked with GET_PHYSICAL. */
  readonly allocationBytes: number;
}

/** Part of a volume; from its start, and to its end when `lengthBytes` is 0 or absent. */
export interface VolumeRange {
  readonly offsetBytes?: number;
  readonly lengthBytes?: number;
}

export abstract class StorageMethods extends NetworkMethods {
  async storagePoolLookupByName(name: string, options?: CallOptions): Promise<StoragePool> {
    return (await this.call(pools.storagePoolLookupByName, { name }, options)).pool;
  }

  async storagePoolLookupByUuid(uuid: string, options?: CallOptions): Promise<StoragePool> {
    return (await this.call(pools.storagePoolLookupByUuid, { uuid }, options)).pool;
  }

  async storagePoolLookupByVolume(volume: StorageVolume, options?: CallOptions): Promise<StoragePool> {
    return (await this.call(pools.storagePoolLookupByVolume, { volume }, options)).pool;
  }

  /** XML: https://libvirt.org/formatstoragecaps.html. Tells which kinds of pool this libvirt was built with. */
  async connectGetStoragePoolCapabilities(options: FlagOptions = {}): Promise<string> {
    return (await this.call(pools.connectGetStoragePoolCapabilities, { flags: options.flags ?? 0 }, options))
      .capabilities;
  }

  /** Looks for what pools of a type could be made of: volume groups, exports of a server, … `source` is XML. */
  async connectFindStoragePoolSources(
    query: { readonly type: string; readonly source?: string },
    options: FlagOptions = {},
  ): Promise<string> {
    const args = { type: query.type, source: query.source, flags: options.flags ?? 0 };
    return (await this.call(pools.connectFindStoragePoolSources, args, options)).xml;
  }

  /** Starts a transient pool. Flags: StoragePoolCreateFlags. */
  async storagePoolCreateXml(xml: string, options: FlagOptions = {}): Promise<StoragePool> {
    return (await this.call(pools.storagePoolCreateXml, { xml, flags: options.flags ?? 0 }, options)).pool;
  }

  async storagePoolDefineXml(xml: string, options: FlagOptions = {}): Promise<StoragePool> {
    return (await this.call(pools.storagePoolDefineXml, { xml, flags: options.flags ?? 0 }, options)).pool;
  }

  /** Makes the directory, file system or volume group. Flags: StoragePoolBuildFlags. */
  async storagePoolBuild(pool: StoragePool, options: FlagOptions = {}): Promise<void> {
    await this.call(pools.storagePoolBuild, { pool, flags: options.flags ?? 0 }, options);
  }

  /** Starts a defined pool. Flags: StoragePoolCreateFlags. */
  async storagePoolCreate(pool: StoragePool, options: FlagOptions = {}): Promise<void> {
    await this.call(pools.storagePoolCreate, { pool, flags: options.flags ?? 0 }, options);
  }

  /** Stops it; what it holds stays. */
  async storagePoolDestroy(pool: StoragePool, options?: CallOptions): Promise<void> {
    await this.call(pools.storagePoolDestroy, { pool }, options);
  }

  async storagePoolUndefine(pool: StoragePool, options?: CallOptions): Promise<void> {
    await this.call(pools.storagePoolUndefine, { pool }, options);
  }

  /** Deletes what `storagePoolBuild` made. Flags: StoragePoolDeleteFlags. */
  async storagePoolDelete(pool: StoragePool, options: FlagOptions = {}): Promise<void> {
    await this.call(pools.storagePoolDelete, { pool, flags: options.flags ?? 0 }, options);
  }

  /** Looks again at what lies there; needed to see what others made. */
  async storagePoolRefresh(pool: StoragePool, options: FlagOptions = {}): Promise<void> {
    await this.call(pools.storagePoolRefresh, { pool, flags: options.flags ?? 0 }, options);
  }

  async storagePoolGetInfo(pool: StoragePool, options?: CallOptions): Promise<StoragePoolInfo> {
    return this.call(pools.storagePoolGetInfo, { pool }, options);
  }

  /** Flags: StorageXmlFlags. */
  async storagePoolGetXmlDesc(pool: StoragePool, options: FlagOptions = {}): Promise<string> {
    return (await this.call(pools.storagePoolGetXmlDesc, { pool, flags: options.flags ?? 0 }, options)).xml;
  }

  async storagePoolGetAutostart(pool: StoragePool, options?: CallOptions): Promise<boolean> {
    return (await this.call(pools.storagePoolGetAutostart, { pool }, options)).autostart;
  }

  async storagePoolSetAutostart(pool: StoragePool, autostart: boolean, options?: CallOptions): Promise<void> {
    await this.call(pools.storagePoolSetAutostart, { pool, autostart }, options);
  }

  async storagePoolIsActive(pool: StoragePool, options?: CallOptions): Promise<boolean> {
    return (await this.call(pools.storagePoolIsActive, { pool }, options)).isActive;
  }

  async storagePoolIsPersistent(pool: StoragePool, options?: CallOptions): Promise<boolean> {
    return (await this.call(pools.storagePoolIsPersistent, { pool }, options)).isPersistent;
  }

  async storagePoolListAllVolumes(pool: StoragePool, options: FlagOptions = {}): Promise<readonly StorageVolume[]> {
    const args = { pool, needResults, flags: options.flags ?? 0 };
    return (await this.call(pools.storagePoolListAllVolumes, args, options)).items;
  }

  async storageVolLookupByName(pool: StoragePool, name: string, options?: CallOptions): Promise<StorageVolume> {
    return (await this.call(volumes.storageVolLookupByName, { pool, name }, options)).volume;
  }

  async storageVolLookupByKey(key: string, options?: CallOptions): Promise<StorageVolume> {
    return (await this.call(volumes.storageVolLookupByKey, { key }, options)).volume;
  }

  async storageVolLookupByPath(path: string, options?: CallOptions): Promise<StorageVolume> {
    return (await this.call(volumes.storageVolLookupByPath, { path }, options)).volume;
  }

  /** Fails with STORAGE_VOL_EXIST when the name is taken. Flags: StorageVolCreateFlags. */
  async storageVolCreateXml(pool: StoragePool, xml: string, options: FlagOptions = {}): Promise<StorageVolume> {
    return (await this.call(volumes.storageVolCreateXml, { pool, xml, flags: options.flags ?? 0 }, options)).volume;
  }

  /** Makes a full copy of `from`, which may be in another pool. Flags: StorageVolCreateFlags. */
  async storageVolCreateXmlFrom(
    pool: StoragePool,
    copy: { readonly xml: string; readonly from: StorageVolume },
    options: FlagOptions = {},
  ): Promise<StorageVolume> {
    const args = { pool, xml: copy.xml, from: copy.from, flags: options.flags ?? 0 };
    return (await this.call(volumes.storageVolCreateXmlFrom, args, options)).volume;
  }

  /** Flags: StorageVolDeleteFlags. */
  async storageVolDelete(volume: StorageVolume, options: FlagOptions = {}): Promise<void> {
    await this.call(volumes.storageVolDelete, { volume, flags: options.flags ?? 0 }, options);
  }

  /** Overwrites all of it with zeros. */
  async storageVolWipe(volume: StorageVolume, options: FlagOptions = {}): Promise<void> {
    await this.call(volumes.storageVolWipe, { volume, flags: options.flags ?? 0 }, options);
  }

  /** Overwrites all of it; `algorithm` is of StorageVolWipeAlgorithm. Most of them need `scrub` on the host. */
  async storageVolWipePattern(volume: StorageVolume, algorithm: number, options: FlagOptions = {}): Promise<void> {
    await this.call(volumes.storageVolWipePattern, { volume, algorithm, flags: options.flags ?? 0 }, options);
  }

  async storageVolGetInfo(volume: StorageVolume, options?: CallOptions): Promise<StorageVolInfo> {
    return this.call(volumes.storageVolGetInfo, { volume }, options);
  }

  /** Flags: StorageVolInfoFlags. */
  async storageVolGetInfoFlags(volume: StorageVolume, options: FlagOptions = {}): Promise<StorageVolInfo> {
    return this.call(volumes.storageVolGetInfoFlags, { volume, flags: options.flags ?? 0 }, options);
  }

  async storageVolGetPath(volume: StorageVolume, options?: CallOptions): Promise<string> {
    return (await this.call(volumes.storageVolGetPath, { volume }, options)).path;
  }

  async storageVolGetXmlDesc(volume: StorageVolume, options: FlagOptions = {}): Promise<string> {
    return (await this.call(volumes.storageVolGetXmlDesc, { volume, flags: options.flags ?? 0 }, options)).xml;
  }

  /** Flags: StorageVolResizeFlags. */
  async storageVolResize(volume: StorageVolume, capacityBytes: number, options: FlagOptions = {}): Promise<void> {
    await this.call(volumes.storageVolResize, { volume, capacity: capacityBytes, flags: options.flags ?? 0 }, options);
  }

  /**
   * Writes the bytes of `source` into the volume as they are (a qcow2 file stays one) and gives their number once the
   * daemon has confirmed that all are written. A failure of the source, an abort or a loss leaves the volume half
   * written. `timeoutMs` is the longest time without progress.
   */
  async storageVolUpload(
    volume: StorageVolume,
    source: AsyncIterable<Uint8Array>,
    options: FlagOptions & VolumeRange & { readonly onProgress?: (sentBytes: number) => void } = {},
  ): Promise<number> {
    return writeStream(
      await this.openStream(volumes.storageVolUpload, transferArgs(volume, options), options),
      source,
      options,
    );
  }

  /**
   * As `storageVolUpload`, of parts of which some are holes: zeros that are neither sent nor, in a file, kept. See
   * `sparseParts`.
   */
  async storageVolUploadSparse(
    volume: StorageVolume,
    source: AsyncIterable<StreamPart>,
    options: FlagOptions & VolumeRange & { readonly onProgress?: (sentBytes: number) => void } = {},
  ): Promise<number> {
    const args = transferArgs(volume, options);
    const sparse = { ...args, flags: args.flags | StorageVolUploadFlags.SPARSE_STREAM };
    return writeStream(await this.openStream(volumes.storageVolUpload, sparse, options), source, options);
  }

  /** As `storageVolDownload`, with holes where the file has them. */
  async *storageVolDownloadSparse(
    volume: StorageVolume,
    options: FlagOptions & VolumeRange = {},
  ): AsyncGenerator<StreamPart, void, undefined> {
    const args = transferArgs(volume, options);
    const sparse = { ...args, flags: args.flags | StorageVolDownloadFlags.SPARSE_STREAM };
    yield* readSparseStream(await this.openStream(volumes.storageVolDownload, sparse, options), options);
  }

  /**
   * Yields the bytes of the volume. The daemon waits while the loop body works; leaving the loop ends the transfer.
   * `timeoutMs` is the longest time without progress.
   */
  async *storageVolDownload(
    volume: StorageVolume,
    options: FlagOptions & VolumeRange = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield* readStream(
      await this.openStream(volumes.storageVolDownload, transferArgs(volume, options), options),
      options,
    );
  }
}

function transferArgs(
  volume: StorageVolume,
  options: FlagOptions & VolumeRange,
): { volume: StorageVolume; offset: number; length: number; flags: number } {
  return { volume, offset: options.offsetBytes ?? 0, length: options.lengthBytes ?? 0, flags: options.flags ?? 0 };
}
