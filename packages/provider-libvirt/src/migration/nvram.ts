// The variables of UEFI firmware of a VM that is off: they lie beside its disks, in a file that libvirt keeps and that a definition alone does
// not take along.

import type { Libvirt, StoragePool, StorageVolume } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";
import { withFolderOf } from "../folder-pool.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { buildVolumeXml, parseVolumeXml } from "../volume-xml.ts";

interface Way {
  readonly from: LibvirtHost;
  readonly to: LibvirtHost;
  readonly options: CallOptions | undefined;
}

interface Found {
  readonly libvirt: Libvirt;
  readonly folder: StoragePool;
  readonly name: string;
  /** Absent before the first start. */
  readonly file?: StorageVolume;
}

/** What the other host has of it is left from an earlier try, and is replaced. */
export async function bringNvram(path: string, { from, to, options }: Way): Promise<void> {
  const chunks = await inFolder(from, path, async ({ libvirt, file }) => {
    const read: Uint8Array[] = [];
    if (file !== undefined) for await (const chunk of libvirt.storageVolDownload(file, options)) read.push(chunk);
    return read;
  });
  // Before its first start a VM has none.
  if (chunks.length === 0) return;
  const capacityBytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  await inFolder(to, path, async ({ libvirt, folder, file: old, name }) => {
    if (old !== undefined) await libvirt.storageVolDelete(old);
    const xml = buildVolumeXml({ name, format: "raw", capacityBytes, allocationBytes: 0 });
    // QEMU gets to own it when the VM is started.
    await libvirt.storageVolUpload(await libvirt.storageVolCreateXml(folder, xml), each(chunks), options);
  });
}

/** Of a move that was given up; never where both hosts see one file. */
export async function removeNvramCopy(path: string, { from, to, options }: Way): Promise<void> {
  if (await isOneFile(path, { from, to, options })) return;
  await inFolder(to, path, async ({ libvirt, file }) => {
    if (file !== undefined) await libvirt.storageVolDelete(file);
  });
}

/** No two files were written in the same nanosecond. */
export async function isOneFile(path: string, { from, to, options }: Way): Promise<boolean> {
  const changed = (host: LibvirtHost): Promise<number | undefined> =>
    inFolder(host, path, async ({ libvirt, file }) =>
      file === undefined ? undefined : parseVolumeXml(await libvirt.storageVolGetXmlDesc(file, options)).changedSeconds,
    );
  const here = await changed(from);
  return here !== undefined && here === (await changed(to));
}

function inFolder<T>(host: LibvirtHost, path: string, act: (found: Found) => Promise<T>): Promise<T> {
  return host.attempt("look at the firmware's variables", (libvirt) =>
    withFolderOf(host, { libvirt, path }, async (folder, name) => {
      const files = await libvirt.storagePoolListAllVolumes(folder);
      const file = files.find((each) => each.name === name);
      return act({ libvirt, folder, name, ...(file === undefined ? {} : { file }) });
    }),
  );
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
