// The tiny guest with the real QEMU guest agent: Debian's program and the libraries of this machine, in a second archive behind the
// initramfs, which the kernel unpacks over the first.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type CpioEntry, findKernelModules, writeCpio } from "@vivarium/images";
import { cachedImage, makeTinyDisk, unpackPackage } from "./tiny-guest.ts";

const execute = promisify(execFile);

const port = "/dev/virtio-ports/org.qemu.guest_agent.0";

/** Called by the guest's init. Without udev nobody names the port. */
const extraScript = (moduleNames: readonly string[]) => `#!/bin/sh
for m in ${moduleNames.join(" ")}; do insmod /modules/$m.ko; done
mkdir -p /dev/virtio-ports /run
for p in /sys/class/virtio-ports/*; do
  [ "$(cat "$p/name")" = org.qemu.guest_agent.0 ] && ln -s "/dev/\${p##*/}" ${port}
done
/bin/qemu-ga -d -m virtio-serial -p ${port} -t /run -f /run/qemu-ga.pid >/dev/console 2>&1
`;

/** The disk image; made on the first call, which needs apt's mirrors and root. */
export async function tinyAgentGuestImage(): Promise<string> {
  return cachedImage("tiny-agent-guest", import.meta.filename, async (path, { modules, initramfs, ...parts }) => {
    const tree = await unpackPackage(parts.scratch, "qemu-guest-agent");
    const program = join(tree, "usr/sbin/qemu-ga");
    const found = await findKernelModules(modules, ["virtio_console"]);
    const file = async (target: string, source: string): Promise<CpioEntry> => ({
      kind: "file",
      path: target,
      mode: 0o755,
      content: await readFile(source),
    });
    const libraries = await librariesOf(program);
    const directories = new Set(libraries.flatMap((library) => parentsOf(library.slice(1))));
    const extra = writeCpio([
      ...[...directories].map((each): CpioEntry => ({ kind: "directory", path: each })),
      await file("bin/qemu-ga", program),
      ...(await Promise.all(libraries.map((library) => file(library.slice(1), library)))),
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

/** Absolute paths of the dynamic linker and of the libraries. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await execute("ldd", [program]);
  const missing = /^\s*(\S+) => not found/m.exec(stdout)?.[1];
  if (missing !== undefined) throw new Error(`this machine lacks ${missing}, which the guest agent needs`);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].flatMap((match) => match[1] ?? []);
}

/** Outermost first. */
function parentsOf(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === "." ? [] : [...parentsOf(parent), parent];
}
