// A guest that boots in a few seconds without KVM: a Debian cloud kernel and an initramfs with busybox, on a disk that a BIOS boots.
//
// It does what the tests look at and no more: says TINY-UP on the serial console, takes an address by DHCP, says TINY-IP, powers off when
// the power button is pressed, gives a shell on the serial console, and answers `GET /` on port 80.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type CpioEntry, findKernelModules, makeBootableDisk, writeCpio } from "@vivarium/images";
import { cacheDirectory } from "./paths.ts";

const execute = promisify(execFile);

const modules = [
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "virtio_balloon",
  "pvpanic-mmio",
  "virtio_rng",
  "virtio_scsi",
  "sd_mod",
  "button",
  "evdev",
];

const init = (moduleNames: readonly string[]) => `#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
for m in ${moduleNames.join(" ")}; do insmod /modules/$m.ko; done
echo "TINY-UP $(cat /proc/uptime)" >/dev/console
acpid -c /etc/acpi
ip link set lo up
# Before there is an address: whoever learns of that finds it answering.
httpd -h /www
for i in /sys/class/net/e*; do
  [ -e "$i" ] || continue
  ip link set "\${i##*/}" up
  began=$(cut -d. -f1 /proc/uptime)
  udhcpc -q -n -t 30 -T 1 -i "\${i##*/}" -x hostname:tiny -s /etc/udhcpc.sh >/dev/null 2>&1
  # Of two guests that start in the same second one has ended early, and without the lease that it was given: it asks again.
  [ $(($(cut -d. -f1 /proc/uptime) - began)) -ge 20 ] || ip -4 addr show dev "\${i##*/}" | grep -q inet ||
    udhcpc -q -n -t 30 -T 1 -i "\${i##*/}" -x hostname:tiny -s /etc/udhcpc.sh >/dev/null 2>&1
done
[ -x /etc/extra ] && /etc/extra
echo "TINY-READY $(cat /proc/uptime)" >/dev/console
while :; do setsid sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'; sleep 1; done
`;

const udhcpcScript = `#!/bin/sh
case $1 in bound | renew)
  ip addr flush dev "$interface"
  ip addr add "$ip/\${mask:-24}" dev "$interface"
  [ -n "$router" ] && ip route add default via "\${router%% *}" dev "$interface"
  echo "TINY-IP $ip" >/dev/console ;;
esac
`;

/** What the guest sees of its disks: name, sectors, serial number. */
const disksScript = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
for d in /sys/block/vd* /sys/block/sd*; do
  [ -e "$d/size" ] || continue
  serial=$(cat "$d/serial" 2>/dev/null || tail -c +5 "$d/device/vpd_pg80" 2>/dev/null)
  echo "\${d##*/} $(cat "$d/size") $serial"
done
`;

/** What the guest sees of its interfaces: name, MAC address, whether the cable is plugged in. Those that came later are taken into use. */
const nicsScript = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
for i in /sys/class/net/e*; do
  [ -e "$i" ] || continue
  ip link set "\${i##*/}" up
  echo "\${i##*/} $(cat "$i/address") $(cat "$i/carrier" 2>/dev/null)"
done
`;

/** \`?TARGET\` or \`?TARGET&SOURCE\`: whether one packet comes back; SOURCE is taken as an address of the first interface for that time. */
const pingScript = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
target=\${QUERY_STRING%%&*}
source=\${QUERY_STRING#"$target"}
source=\${source#&}
nic=$(ls /sys/class/net | grep ^e | head -n 1)
[ -n "$source" ] && ip addr add "$source/24" dev "$nic"
ping -c 1 -W 2 \${source:+-I "$source"} "$target" >/dev/null 2>&1 && echo yes || echo no
[ -n "$source" ] && ip addr del "$source/24" dev "$nic"
true
`;

/** What the machine is to the guest; CPUs that were plugged in are taken into use first. */
const machineScript = `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
for c in /sys/devices/system/cpu/cpu*/online; do [ -e "$c" ] && echo 1 >"$c"; done
echo "boot $(cat /proc/sys/kernel/random/boot_id)"
echo "cpus $(grep -c ^processor /proc/cpuinfo)"
echo "memory $(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)"
[ -d /sys/firmware/efi ] && echo "efi yes"
echo "secureboot $(dmesg | grep -c 'Secure boot enabled')"
[ -e /sys/class/tpm/tpm0 ] && echo "tpm $(cat /sys/class/tpm/tpm0/tpm_version_major)"
true
`;

/** The kernel panics before there is an answer. */
const panicScript = "#!/bin/sh\necho c >/proc/sysrq-trigger\n";

const powerScript = "#!/bin/sh\necho TINY-POWER-BUTTON >/dev/console\npoweroff -f\n";

/** The disk image; made on the first call, which needs apt's mirrors and root. */
export async function tinyGuestImage(): Promise<string> {
  return cachedImage("tiny-guest", import.meta.filename, (path, parts) => makeTinyDisk(path, parts));
}

/** A disk that a BIOS boots, with this kernel and initramfs. */
export async function makeTinyDisk(
  path: string,
  { scratch, kernel, initramfs }: Pick<TinyParts, "scratch" | "kernel" | "initramfs">,
): Promise<void> {
  const root = join(scratch, "root");
  await mkdir(root);
  await writeFile(join(root, "vmlinuz"), await readFile(kernel));
  await writeFile(join(root, "initrd.img"), initramfs);
  await makeBootableDisk(
    {
      rootDirectory: root,
      path,
      format: "qcow2",
      sizeBytes: 64 << 20,
      kernel: "/vmlinuz",
      initrd: "/initrd.img",
      commandLine: "console=ttyS0 quiet",
      seed: "tiny-guest",
    },
    { signal: AbortSignal.timeout(60_000) },
  );
}

interface TinyParts {
  /** A folder that goes away afterwards. */
  readonly scratch: string;
  /** Path of the kernel. */
  readonly kernel: string;
  /** Folder of its modules. */
  readonly modules: string;
  readonly initramfs: Uint8Array;
}

/** The image that `make` makes of the tiny guest. Another `recipe`, or another guest, is another image. */
export async function cachedImage(
  name: string,
  recipe: string,
  make: (path: string, parts: TinyParts) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of new Set([import.meta.filename, recipe])) hash.update(await readFile(file));
  const target = join(cacheDirectory, `${name}-${hash.digest("hex").slice(0, 12)}.qcow2`);
  if (existsSync(target)) return target;
  await mkdir(cacheDirectory, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), `${name}-`));
  try {
    const kernel = await unpackKernel(scratch);
    const partial = `${target}.${process.pid}`;
    const initramfs = await makeInitramfs(kernel.modules);
    await make(partial, { scratch, kernel: kernel.image, modules: kernel.modules, initramfs });
    await rename(partial, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

/** Fetches a package from apt's mirrors and unpacks it, without installing it. Gives the folder. */
export async function unpackPackage(scratch: string, name: string): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder);
  await execute("apt-get", ["download", "-q", name], { cwd: folder });
  const archive = (await readdir(folder)).find((file) => file.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download left no package of ${name}`);
  const tree = join(folder, "tree");
  await execute("dpkg-deb", ["-x", join(folder, archive), tree]);
  return tree;
}

async function unpackKernel(scratch: string): Promise<{ readonly image: string; readonly modules: string }> {
  const { stdout } = await execute("apt-cache", ["depends", "linux-image-cloud-amd64"]);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`apt knows no kernel behind linux-image-cloud-amd64; it said: ${stdout}`);
  const tree = await unpackPackage(scratch, name);
  const image = (await readdir(join(tree, "boot"))).find((file) => file.startsWith("vmlinuz-"));
  if (image === undefined) throw new Error(`${name} has no boot/vmlinuz-*`);
  const moduleRoot = existsSync(join(tree, "lib/modules")) ? "lib/modules" : "usr/lib/modules";
  return {
    image: join(tree, "boot", image),
    modules: join(tree, moduleRoot, image.slice("vmlinuz-".length)),
  };
}

async function makeInitramfs(moduleDirectory: string): Promise<Uint8Array> {
  const found = await findKernelModules(moduleDirectory, modules);
  const directories = [
    "bin",
    "dev",
    "proc",
    "sys",
    "etc",
    "etc/acpi",
    "etc/acpi/PWRF",
    "modules",
    "var",
    "var/log",
    "var/run",
    "www",
    "www/cgi-bin",
  ];
  const entries: CpioEntry[] = [
    ...directories.map((path): CpioEntry => ({ kind: "directory", path })),
    { kind: "device", path: "dev/console", major: 5, minor: 1 },
    { kind: "file", path: "bin/busybox", mode: 0o755, content: await readFile("/bin/busybox") },
    { kind: "symlink", path: "bin/sh", target: "busybox" },
    script("init", init(found.map((module) => module.name))),
    script("etc/udhcpc.sh", udhcpcScript),
    script("etc/acpi/PWRF/00000080", powerScript),
    script("www/cgi-bin/disks", disksScript),
    script("www/cgi-bin/nics", nicsScript),
    script("www/cgi-bin/ping", pingScript),
    script("www/cgi-bin/machine", machineScript),
    script("www/cgi-bin/panic", panicScript),
    { kind: "file", path: "www/index.html", content: Buffer.from("tiny\n") },
    ...found.map((module): CpioEntry => ({
      kind: "file",
      path: `modules/${module.name}.ko`,
      content: module.content,
    })),
  ];
  return writeCpio(entries);
}

function script(path: string, text: string): CpioEntry {
  return { kind: "file", path, mode: 0o755, content: Buffer.from(text) };
}
