// The variables of UEFI firmware: a file that belongs to a VM as its disks do, where libvirt keeps it. With memory it needs nothing: QEMU
// brings it back with the rest. Else it is copied.

import type { CallOptions } from "@vivarium/provider";
import { nvramPathOf } from "../domain/nvram-path.ts";
import { withFolderOf } from "../folder-pool.ts";
import { buildVolumeXml, parseVolumeXml } from "../volume-xml.ts";
import type { SnapshotLook, SnapshotParts } from "./look.ts";

/** The volume with the copy; undefined where there is nothing to copy. */
export async function copyNvram(
  { host, pool }: SnapshotParts,
  { view, libvirt }: SnapshotLook,
  {
    to,
    hasMemory,
    options,
  }: { readonly to: string; readonly hasMemory: boolean; readonly options: CallOptions | undefined },
): Promise<string | undefined> {
  const nvram = nvramPathOf(view, host);
  if (nvram === undefined || hasMemory) return undefined;
  return withFolderOf(host, { libvirt, path: nvram }, async (folder, name) => {
    const volumes = await libvirt.storagePoolListAllVolumes(folder, options);
    const from = volumes.find((volume) => volume.name === name);
    // Before its first start a VM has none.
    if (from === undefined) return undefined;
    const { capacityBytes } = parseVolumeXml(await libvirt.storageVolGetXmlDesc(from, options));
    const xml = buildVolumeXml({ name: to, format: "raw", capacityBytes, allocationBytes: 0 });
    await pool.use(
      `copy the firmware's variables to "${to}"`,
      ({ libvirt: inPool, pool: storage }) => inPool.storageVolCreateXmlFrom(storage, { xml, from }, options),
      options,
    );
    return to;
  });
}

/** Of a VM that is off. */
export async function restoreNvram(
  { host, pool }: SnapshotParts,
  { view, libvirt }: SnapshotLook,
  { from, options }: { readonly from: string; readonly options: CallOptions | undefined },
): Promise<void> {
  const nvram = nvramPathOf(view, host);
  if (nvram === undefined) return;
  await withFolderOf(host, { libvirt, path: nvram }, async (folder, name) => {
    const chunks = await pool.use(
      `read the firmware's variables from "${from}"`,
      async ({ libvirt: inPool, pool: storage }) => {
        const volume = await inPool.storageVolLookupByName(storage, from, options);
        const read: Uint8Array[] = [];
        for await (const chunk of inPool.storageVolDownload(volume, options)) read.push(chunk);
        return read;
      },
      options,
    );
    const to = (await libvirt.storagePoolListAllVolumes(folder, options)).find((volume) => volume.name === name);
    if (to === undefined) return;
    // Over what is there: the file keeps its owner.
    await libvirt.storageVolUpload(to, each(chunks), options);
  });
}

async function* each(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
