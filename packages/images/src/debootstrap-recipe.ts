// What a locally built Debian image consists of, and the name that follows from it: the same recipe is built once.

import { diskIdentity } from "./bootable-disk.ts";
import { hostDebianSuite } from "./debian-mirrors.ts";
import { enabledUnits, guestCommandLine, guestFiles, maskedUnits } from "./guest-system.ts";
import { initScript, rootDiskModules } from "./initramfs.ts";
import { ImageError } from "./image-source.ts";
import type { DebootstrapSource } from "./image-source.ts";
import { digestOf } from "./source-key.ts";

export interface DebianRecipe {
  readonly key: string;
  readonly suite: string;
  readonly packages: readonly string[];
  readonly diskBytes: number;
}

/** Raise it when the building code changes in a way that the lists below do not show. */
const recipeVersion = 1;

const basePackages: readonly string[] = [
  "apt",
  "busybox-static", // also in the first initramfs
  "ca-certificates",
  "cloud-guest-utils", // growpart
  "cloud-init",
  "dbus",
  "e2fsprogs",
  "initramfs-tools",
  "iproute2",
  "iputils-ping",
  "less",
  "linux-image-cloud-amd64",
  "locales", // for the key `locale` of cloud-config
  "netbase",
  "openssh-server",
  "python3",
  "qemu-guest-agent",
  "sudo",
  "systemd",
  "systemd-resolved",
  "systemd-sysv",
  "tzdata",
  "udev",
  "zstd",
];

export const minDiskBytes = 1 << 30;

export async function debianRecipe(source: DebootstrapSource): Promise<DebianRecipe> {
  const suite = source.suite ?? (await hostDebianSuite());
  if (suite === undefined) {
    throw new ImageError("Unsupported", "Cannot build a Debian image: this host is not Debian and no suite is given");
  }
  requireMatch("suite", suite, /^[a-z][a-z0-9-]*$/);
  for (const name of source.packages) requireMatch("package", name, /^[a-z0-9][a-z0-9+.-]+$/);
  if (!Number.isSafeInteger(source.diskBytes) || source.diskBytes < minDiskBytes || source.diskBytes % 512 !== 0) {
    throw new ImageError(
      "Unsupported",
      `Cannot build a Debian image: disk size is ${source.diskBytes} bytes, expected at least ${minDiskBytes}, in sectors of 512`,
    );
  }
  const packages = [...new Set([...basePackages, ...source.packages])].toSorted();
  const key = digestOf([
    recipeVersion,
    { suite, packages, diskBytes: source.diskBytes },
    { guestFiles, enabledUnits, maskedUnits, guestCommandLine },
    { rootDiskModules, init: initScript([]) },
    diskIdentity(""),
  ]);
  return { key, suite, packages, diskBytes: source.diskBytes };
}

function requireMatch(what: string, value: string, pattern: RegExp): void {
  if (pattern.test(value)) return;
  throw new ImageError(
    "Unsupported",
    `Cannot build a Debian image: ${what} is ${JSON.stringify(value)}, expected a match of ${pattern.source}`,
  );
}
