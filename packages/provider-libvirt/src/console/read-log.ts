// What a serial line has printed: the files that virtlogd writes, read as volumes of the pool. It begins a new file when one is full, behind
// libvirt's back, and keeps a few: `….serial.log` is the newest, then `.0`, `.1`, ….

import { isLibvirtError, StorageVolInfoFlags } from "@vivarium/libvirt";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { serialLogName } from "../names.ts";
import type { OpenPool, VolumePool } from "../pool.ts";

const refreshEveryMs = 10_000;

/** Finds the files that are full. libvirt learns of them when it looks at the pool again, which is not done for each reader. */
export class RotatedLogs {
  readonly #host: LibvirtHost;
  readonly #pool: VolumePool;
  #refreshedAtMs = 0;

  constructor({ host, pool }: { readonly host: LibvirtHost; readonly pool: VolumePool }) {
    this.#host = host;
    this.#pool = pool;
  }

  /** Names of the volumes, newest first. */
  async of(vm: VmIdentity, options: CallOptions): Promise<readonly string[]> {
    const now = this.#host.clock.now();
    if (now - this.#refreshedAtMs >= refreshEveryMs) {
      this.#refreshedAtMs = now;
      const look = ({ libvirt, pool }: OpenPool): Promise<void> => libvirt.storagePoolRefresh(pool, options);
      // Refused while anything is uploaded: then what is known has to do.
      await this.#pool.use("look for full logs", look, options).catch(() => options.signal?.throwIfAborted());
    }
    return rotatedLogs(vm, await this.#pool.names(options));
  }
}

/** Pure: newest first. */
export function rotatedLogs(vm: VmIdentity, volumes: readonly string[]): readonly string[] {
  const start = `${serialLogName(vm)}.`;
  const numbers = volumes
    .filter((name) => name.startsWith(start) && /^\d{1,4}$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)));
  return numbers.toSorted((one, other) => one - other).map((number) => `${start}${number}`);
}

export async function readLog(
  vm: VmIdentity,
  {
    pool,
    rotated,
    signal,
    tailBytes = Number.POSITIVE_INFINITY,
  }: CallOptions & { readonly pool: VolumePool; readonly rotated: RotatedLogs; readonly tailBytes?: number },
): Promise<Uint8Array> {
  const options = signal === undefined ? {} : { signal };
  const read = (name: string, lastBytes: number): Promise<Uint8Array> =>
    pool.use(`read the serial log of VM "${vm.name}"`, (open) => readEnd(open, { name, lastBytes, options }), options);
  const newest = await read(serialLogName(vm), tailBytes);
  const parts = [newest];
  let leftBytes = tailBytes - newest.length;
  for (const name of leftBytes > 0 ? await rotated.of(vm, options) : []) {
    if (leftBytes <= 0) break;
    const part = await read(name, leftBytes);
    parts.unshift(part);
    leftBytes -= part.length;
  }
  return new Uint8Array(Buffer.concat(parts));
}

async function readEnd(
  { libvirt, pool }: OpenPool,
  { name, lastBytes, options }: { readonly name: string; readonly lastBytes: number; readonly options: CallOptions },
): Promise<Uint8Array> {
  try {
    const volume = await libvirt.storageVolLookupByName(pool, name, options);
    const flags = StorageVolInfoFlags.GET_PHYSICAL;
    const { allocationBytes: sizeBytes } = await libvirt.storageVolGetInfoFlags(volume, { ...options, flags });
    const offsetBytes = Math.max(0, sizeBytes - lastBytes);
    const lengthBytes = sizeBytes - offsetBytes;
    if (lengthBytes === 0) return new Uint8Array(0);
    const chunks: Uint8Array[] = [];
    for await (const chunk of libvirt.storageVolDownload(volume, { ...options, offsetBytes, lengthBytes }))
      chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    // Never started, made elsewhere, or full and renamed just now.
    if (isLibvirtError(error, "NO_STORAGE_VOL")) return new Uint8Array(0);
    throw error;
  }
}
