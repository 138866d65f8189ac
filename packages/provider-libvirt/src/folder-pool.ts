// A folder of a host that is in no storage pool of ours, such as that of firmware's variables: reached through a pool over it that is there for
// that moment alone.

import { randomUUID } from "node:crypto";
import type { Libvirt, StoragePool } from "@vivarium/libvirt";
import type { LibvirtHost } from "./libvirt-host.ts";
import { element, renderXml } from "./xml/element.ts";

/** `path`: of a file in it; `act` is given the file's name. */
export async function withFolderOf<T>(
  host: LibvirtHost,
  { libvirt, path }: { readonly libvirt: Libvirt; readonly path: string },
  act: (folder: StoragePool, name: string) => Promise<T>,
): Promise<T> {
  const at = path.lastIndexOf("/");
  const directory = path.slice(0, at);
  const xml = renderXml(
    element("pool", { type: "dir" }, [
      element("name", {}, `vivarium-nvram-${randomUUID()}`),
      element("target", {}, [element("path", {}, directory)]),
    ]),
  );
  // libvirt lets there be one pool over a folder.
  return host.folders.take(directory, async () => {
    const folder = await libvirt.storagePoolCreateXml(xml);
    try {
      return await act(folder, path.slice(at + 1));
    } finally {
      await libvirt.storagePoolDestroy(folder);
    }
  });
}
