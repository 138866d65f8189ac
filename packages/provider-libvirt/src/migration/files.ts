// The files that a VM is made of, and what of them has to be brought to another host: those that are written, which a live move mirrors, and
// those that stay as they are.

import { createHash } from "node:crypto";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import { isSeed } from "../domain/disks.ts";
import type { DiskView } from "../domain/disks.ts";
import type { DomainView } from "../domain/view.ts";
import { isVolumeOf, parseImageVolumeName, serialLogName } from "../names.ts";
import type { VolumePool } from "../pool.ts";
import { volumeIn } from "../snapshots/heads.ts";
import type { VolumeView } from "../volume-xml.ts";

export interface WrittenFile {
  /** As the guest's device is called. */
  readonly target: string;
  readonly volume: VolumeView;
}

export interface VmFiles {
  readonly written: readonly WrittenFile[];
  /** Below them, beside them: images, frozen layers, the seed, saved states. Those that back others come first. */
  readonly still: readonly VolumeView[];
  /** Disks whose file is not the VM's own. */
  readonly elsewhere: readonly DiskView[];
  /** Files that back one of them, and lie in another pool. */
  readonly outside: readonly string[];
}

export async function filesOf(
  vm: VmIdentity,
  {
    view,
    pool,
    poolPath,
    options,
  }: {
    readonly view: DomainView;
    readonly pool: VolumePool;
    readonly poolPath: string;
    readonly options: CallOptions | undefined;
  },
): Promise<VmFiles> {
  await pool.refresh(options);
  const names = await pool.names(options);
  const written: WrittenFile[] = [];
  const elsewhere: DiskView[] = [];
  for (const disk of view.disks) {
    if (isSeed(vm, disk)) continue;
    const name = volumeIn(vm, disk, poolPath);
    const volume = name === undefined ? undefined : await pool.find(name, options);
    if (volume === undefined) elsewhere.push(disk);
    else written.push({ target: disk.target, volume });
  }
  const isWritten = new Set(written.map(({ volume }) => volume.name));
  const log = serialLogName(vm);
  const own = names.filter((name) => isVolumeOf(vm, name) && !isWritten.has(name) && !name.startsWith(log));
  const still = new Map<string, VolumeView>();
  const outside: string[] = [];
  const add = async (name: string): Promise<void> => {
    if (still.has(name) || isWritten.has(name)) return;
    const volume = await pool.find(name, options);
    if (volume === undefined) return;
    await addBacking(volume);
    still.set(name, volume);
  };
  const addBacking = async ({ backingPath }: VolumeView): Promise<void> => {
    if (backingPath === undefined) return;
    if (backingPath.startsWith(`${poolPath}/`)) await add(backingPath.slice(poolPath.length + 1));
    else outside.push(backingPath);
  };
  for (const { volume } of written) await addBacking(volume);
  for (const name of own) await add(name);
  return { written, still: [...still.values()], elsewhere, outside };
}

/** An image is what its name says; all else is the VM's, and what is there of it is left from an earlier try. */
export async function isThere(
  { name, physicalBytes }: VolumeView,
  there: VolumePool,
  options: CallOptions | undefined,
): Promise<boolean> {
  if (parseImageVolumeName(name) === undefined) return false;
  const found = await there.find(name, options);
  return found !== undefined && found.physicalBytes === physicalBytes;
}

/** Through this server, byte for byte. Gives the SHA-256 of what was sent. `as`: its name there, where that is another. */
export async function copyFile(
  volume: VolumeView,
  {
    from,
    to,
    as = volume.name,
    onBytes,
    options,
  }: {
    readonly from: VolumePool;
    readonly to: VolumePool;
    readonly as?: string;
    readonly onBytes: (count: number) => void;
    readonly options: CallOptions | undefined;
  },
): Promise<{ readonly sentBytes: number; readonly checksum: string }> {
  const hash = createHash("sha256");
  const sizeBytes = volume.physicalBytes ?? volume.allocationBytes;
  let sent = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of from.read(volume.name, options)) {
      sent += chunk.byteLength;
      hash.update(chunk);
      onBytes(chunk.byteLength);
      yield chunk;
    }
  };
  await to.write(as, counted(), { ...options, sizeBytes });
  if (volume.physicalBytes !== undefined && sent !== volume.physicalBytes) {
    const message = `Cannot copy volume "${volume.name}": it ended after ${sent} bytes, expected ${volume.physicalBytes}`;
    throw new ProviderError("Internal", message);
  }
  return { sentBytes: sent, checksum: `sha256:${hash.digest("hex")}` };
}

export async function checksumOf(name: string, pool: VolumePool, options: CallOptions | undefined): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of pool.read(name, options)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
