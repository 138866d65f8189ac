// The storage pool for everything made here. Made when missing, started when stopped, and found again after either happens to it.

import { isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt, StoragePool, StorageVolume, StreamPart } from "@vivarium/libvirt";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { CallOptions } from "@vivarium/provider";
import type { LibvirtHost } from "./libvirt-host.ts";
import { mapError } from "./map-error.ts";
import { buildPoolXml, parsePoolXml } from "./pool-xml.ts";
import { buildVolumeXml, parseVolumeXml } from "./volume-xml.ts";
import type { VolumeSpec, VolumeView } from "./volume-xml.ts";

export interface OpenPool {
  readonly libvirt: Libvirt;
  readonly pool: StoragePool;
  /** Its directory on the host. */
  readonly path: string;
}

/** Of a file; those of a sparse one have holes. */
type VolumeBytes = AsyncIterable<Uint8Array> | { readonly sparse: AsyncIterable<StreamPart> };

/** Pools whose volumes are files in a directory. */
const directoryTypes = ["dir", "fs", "netfs"];
const refreshTries = 20;
/** What the file of any volume takes, an empty one's too. */
const anyVolumeBytes = 2 ** 20;
const refreshWaitMs = 250;

export class VolumePool {
  readonly #host: LibvirtHost;
  readonly #name: string;
  readonly #isMadeWhenMissing: boolean;
  #open: Promise<OpenPool> | undefined;

  /** Without a name, the pool of all that is made for VMs, which is made when missing; another one must be there. */
  constructor(host: LibvirtHost, name?: string) {
    this.#host = host;
    this.#name = name ?? host.config.pool;
    this.#isMadeWhenMissing = name === undefined || name === host.config.pool;
  }

  /** Runs calls on the pool. What runs must be safe to run twice: a pool that was stopped or removed is put up again in between. */
  async use<T>(action: string, act: (open: OpenPool) => Promise<T>, options?: CallOptions): Promise<T> {
    const run = async (libvirt: Libvirt): Promise<T> => {
      try {
        return await act(await this.#ready(libvirt));
      } catch (error) {
        if (!isLibvirtError(error, "NO_STORAGE_POOL", "OPERATION_INVALID")) throw error;
        this.#open = undefined;
        return act(await this.#ready(libvirt));
      }
    };
    return this.#host.attempt(action, run, options);
  }

  async names(options?: CallOptions): Promise<readonly string[]> {
    const volumes = await this.use(
      `list the volumes of pool "${this.#name}"`,
      ({ libvirt, pool }) => libvirt.storagePoolListAllVolumes(pool, options),
      options,
    );
    // libvirt gives them in no order; what is told twice shall be the same twice.
    return volumes.map((volume) => volume.name).toSorted();
  }

  /** The volume as libvirt last saw it, with the file's present length; undefined when there is none. */
  async find(name: string, options?: CallOptions): Promise<VolumeView | undefined> {
    return this.use(
      `look for volume "${name}"`,
      async (open) => {
        const volume = await lookUp(open, { name, options });
        if (volume === undefined) return undefined;
        try {
          return parseVolumeXml(await open.libvirt.storageVolGetXmlDesc(volume, options));
        } catch (error) {
          if (isLibvirtError(error, "NO_STORAGE_VOL")) return undefined;
          throw error;
        }
      },
      options,
    );
  }

  /** Makes a volume; one of that name that is there is kept. NoSpace when the pool is full. */
  async create(spec: VolumeSpec, options: CallOptions & { readonly flags?: number } = {}): Promise<void> {
    await this.orNoSpace(spec.name, spec.allocationBytes, this.#create(spec, options));
  }

  async #create(spec: VolumeSpec, options: CallOptions & { readonly flags?: number }): Promise<void> {
    const make = ({ libvirt, pool }: OpenPool): Promise<unknown> =>
      libvirt.storageVolCreateXml(pool, buildVolumeXml(spec), options);
    await this.use(
      `create volume "${spec.name}"`,
      async (open) => {
        try {
          await make(open);
        } catch (error) {
          // The second is a file that libvirt has not seen yet; it fails without a code of its own.
          if (!isLibvirtError(error, "STORAGE_VOL_EXIST", "OPERATION_FAILED")) throw error;
          if ((await this.find(spec.name, options)) !== undefined) return;
          // What libvirt remembers and what lies there differ: a file was made or removed behind its back.
          await this.#refresh(open, options);
          if ((await this.find(spec.name, options)) === undefined) await make(open);
        }
      },
      options,
    );
  }

  /** Replaces the volume by a file of just these bytes. NoSpace when the pool is full: then nothing of it is left. */
  async write(
    name: string,
    source: VolumeBytes,
    options: CallOptions & { readonly sizeBytes?: number; readonly onProgress?: (sentBytes: number) => void } = {},
  ): Promise<void> {
    try {
      await this.orNoSpace(name, options.sizeBytes ?? 0, this.#write(name, source, options));
    } catch (error) {
      // It holds the very bytes that somebody else could do with.
      if (isProviderError(error, "NoSpace")) await this.delete(name, options);
      throw error;
    }
  }

  /**
   * libvirt has no code for a full pool, only words of many programs: what is left of it says so. `neededBytes` is the most that
   * `making` the volume takes, beside what every volume does.
   */
  async orNoSpace<T>(name: string, neededBytes: number, making: Promise<T>): Promise<T> {
    try {
      return await making;
    } catch (error) {
      if (!isProviderError(error, "Internal")) throw error;
      const left = await this.use("ask for free space", async ({ libvirt, pool }) => {
        // Refused while anything is uploaded; the figures are those of the last change then.
        await libvirt.storagePoolRefresh(pool).catch(() => undefined);
        return libvirt.storagePoolGetInfo(pool);
      }).catch(() => undefined);
      if (left === undefined || left.availableBytes >= Math.max(neededBytes, anyVolumeBytes)) throw error;
      const message = `Cannot make volume "${name}": it needs up to ${neededBytes} bytes, pool "${this.#name}" has ${left.availableBytes} free (${error.message})`;
      throw new ProviderError("NoSpace", message, { cause: error });
    }
  }

  async #write(
    name: string,
    source: VolumeBytes,
    options: CallOptions & { readonly onProgress?: (sentBytes: number) => void },
  ): Promise<void> {
    await this.delete(name, options);
    // Empty at first, so that the file's length always says how much has arrived.
    await this.create({ name, format: "raw", capacityBytes: 0, allocationBytes: 0 }, options);
    await this.#host.attempt(
      `write volume "${name}"`,
      async (libvirt) => {
        const { pool } = await this.#ready(libvirt);
        try {
          const volume = await libvirt.storageVolLookupByName(pool, name, options);
          if ("sparse" in source) await libvirt.storageVolUploadSparse(volume, source.sparse, options);
          else await libvirt.storageVolUpload(volume, source, options);
        } catch (error) {
          // Another server that was told to write it, too, has it open, or deleted what it took for the remains of a try.
          if (!isLibvirtError(error, "OPERATION_INVALID", "NO_STORAGE_VOL")) throw error;
          throw new ProviderError("Unavailable", `Cannot write volume "${name}": ${error.message}`, { cause: error });
        }
      },
      options,
    );
  }

  /** Its bytes as they lie there, whatever their format. */
  async *read(name: string, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const reading = await this.use(
      `read volume "${name}"`,
      async ({ libvirt, pool }) => {
        const volume = await libvirt.storageVolLookupByName(pool, name, options);
        return libvirt.storageVolDownload(volume, options);
      },
      options,
    );
    try {
      yield* reading;
    } catch (error) {
      if (options?.signal?.aborted === true && error === options.signal.reason) throw error;
      throw mapError(error, `read volume "${name}"`);
    }
  }

  /** Of a volume that nothing has open. */
  async resize(name: string, capacityBytes: number, options?: CallOptions): Promise<void> {
    await this.use(
      `resize volume "${name}"`,
      async ({ libvirt, pool }) => {
        const volume = await libvirt.storageVolLookupByName(pool, name, options);
        await libvirt.storageVolResize(volume, capacityBytes, options);
      },
      options,
    );
  }

  /** Success when there is none. */
  async delete(name: string, options?: CallOptions): Promise<void> {
    await this.use(
      `delete volume "${name}"`,
      async (open) => {
        const volume = await lookUp(open, { name, options });
        if (volume === undefined) return;
        try {
          await open.libvirt.storageVolDelete(volume, options);
        } catch (error) {
          if (isLibvirtError(error, "NO_STORAGE_VOL")) return;
          if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
          // For as long as another connection writes it; one that was lost is noticed by the daemon shortly.
          throw new ProviderError("Unavailable", `Cannot delete volume "${name}": ${error.message}`, { cause: error });
        }
      },
      options,
    );
  }

  /** Looks again at the directory: for files that others made, and for the format of what was uploaded. */
  async refresh(options?: CallOptions): Promise<void> {
    await this.use(`refresh pool "${this.#name}"`, (open) => this.#refresh(open, options), options);
  }

  async #refresh({ libvirt, pool }: OpenPool, options: CallOptions | undefined): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await libvirt.storagePoolRefresh(pool, signalOf(options));
        return;
      } catch (error) {
        // Refused, with no code of its own, while any volume is being created or uploaded.
        if (!isLibvirtError(error, "INTERNAL_ERROR")) throw error;
        if (tries === refreshTries) {
          const message = `Cannot refresh pool "${this.#name}": ${error.message}`;
          throw new ProviderError("Unavailable", message, { cause: error });
        }
        await this.#host.clock.delay(refreshWaitMs, signalOf(options));
      }
    }
  }

  #ready(libvirt: Libvirt): Promise<OpenPool> {
    // Shared by all who wait, so it follows no single caller's signal.
    const open = this.#isMadeWhenMissing ? openPool : findPool;
    this.#open ??= open(libvirt, this.#name).catch((error: unknown) => {
      this.#open = undefined;
      throw error;
    });
    return this.#open;
  }
}

/** Without flags that were meant for another call. */
function signalOf(options: CallOptions | undefined): CallOptions {
  return options?.signal === undefined ? {} : { signal: options.signal };
}

async function lookUp(
  { libvirt, pool }: OpenPool,
  { name, options }: { readonly name: string; readonly options: CallOptions | undefined },
): Promise<StorageVolume | undefined> {
  try {
    return await libvirt.storageVolLookupByName(pool, name, options);
  } catch (error) {
    if (isLibvirtError(error, "NO_STORAGE_VOL")) return undefined;
    throw error;
  }
}

/** As it is: one that somebody stopped is not started here. */
async function findPool(libvirt: Libvirt, name: string): Promise<OpenPool> {
  const pool = await libvirt.storagePoolLookupByName(name);
  return { libvirt, pool, path: parsePoolXml(await libvirt.storagePoolGetXmlDesc(pool)).path };
}

async function openPool(libvirt: Libvirt, name: string): Promise<OpenPool> {
  const pool = await lookUpOrDefine(libvirt, name);
  if (!(await libvirt.storagePoolIsActive(pool))) {
    await libvirt.storagePoolBuild(pool);
    await libvirt.storagePoolSetAutostart(pool, true);
    try {
      await libvirt.storagePoolCreate(pool);
    } catch (error) {
      // Somebody else may have started it just now.
      if (!(await libvirt.storagePoolIsActive(pool))) throw error;
    }
  }
  const view = parsePoolXml(await libvirt.storagePoolGetXmlDesc(pool));
  if (!directoryTypes.includes(view.type)) {
    const message = `Cannot use storage pool "${name}": it is of type "${view.type}", expected one of ${directoryTypes.join(", ")}`;
    throw new ProviderError("Unsupported", message);
  }
  return { libvirt, pool, path: view.path };
}

async function lookUpOrDefine(libvirt: Libvirt, name: string): Promise<StoragePool> {
  try {
    return await libvirt.storagePoolLookupByName(name);
  } catch (error) {
    if (!isLibvirtError(error, "NO_STORAGE_POOL")) throw error;
  }
  const xml = buildPoolXml({ name, path: `/var/lib/libvirt/images/${name}` });
  return libvirt.storagePoolDefineXml(xml);
}
