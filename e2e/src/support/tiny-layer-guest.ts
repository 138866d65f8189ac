// The tiny guest with a disk that it keeps, on /disk, and with the one thing of cloud-init that building a layer needs: a user-data script on
// the seed is run. What is in /disk/www it serves.

import { type CpioEntry, findKernelModules, writeCpio } from "@vivarium/images";
import { cachedImage, makeTinyDisk } from "./tiny-guest.ts";

/** Called by the guest's init. */
const extraScript = (moduleNames: readonly string[]) => `#!/bin/sh
for m in ${moduleNames.join(" ")}; do insmod /modules/$m.ko; done
mkdir -p /disk /seed /run /tmp
mount -t ext4 /dev/vda1 /disk >/dev/console 2>&1
mkdir -p /disk/www
cp /disk/www/* /www/ 2>/dev/null
mount -t iso9660 -o ro /dev/vdb /seed >/dev/console 2>&1
head -c 2 /seed/user-data 2>/dev/null | grep -q '#!' && sh /seed/user-data
true
`;

/** The disk image; made on the first call, which needs apt's mirrors and root. */
export async function tinyLayerGuestImage(): Promise<string> {
  return cachedImage("tiny-layer-guest", import.meta.filename, async (path, { modules, initramfs, ...parts }) => {
    const found = await findKernelModules(modules, ["isofs"]);
    const extra = writeCpio([
      ...found.map(({ name, content }): CpioEntry => ({ kind: "file", path: `modules/${name}.ko`, content })),
      {
        kind: "file",
        path: "etc/extra",
        mode: 0o755,
        content: Buffer.from(extraScript(found.map(({ name }) => name))),
      },
    ]);
    await makeTinyDisk(path, { ...parts, initramfs: Buffer.concat([initramfs, extra]) });
  });
}
