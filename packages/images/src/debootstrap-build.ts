// Builds a Debian cloud image from the host's own mirrors.
//
//     mmdebstrap → root tree → our settings → disk with GRUB → qcow2, checked
//
// Nothing here needs KVM, a loop device or a mount of an image. mmdebstrap runs in namespaces of its own: what it mounts
// never shows on the host, and all its processes end with it, also when this process is killed.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { bootableDiskTools, makeBootableDisk } from "./bootable-disk.ts";
import { findDebianMirrors, sourcesLine } from "./debian-mirrors.ts";
import { BuildProgress } from "./debootstrap-progress.ts";
import type { DebianRecipe } from "./debootstrap-recipe.ts";
import { requireSpace } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { finishRootTree } from "./guest-root.ts";
import { guestCommandLine } from "./guest-system.ts";
import { requireTools } from "./host-tools.ts";
import type { HostTool } from "./host-tools.ts";
import { ImageError } from "./image-source.ts";
import type { ImageProgress } from "./image-source.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { requireRootRights, runWithRootRights } from "./root-rights.ts";
import { CommandError, runCommand } from "./run-command.ts";

const debootstrapTools: readonly HostTool[] = [
  { name: "mmdebstrap", debianPackage: "mmdebstrap" },
  { name: "apt-get", debianPackage: "apt" },
  { name: "/usr/share/keyrings/debian-archive-keyring.gpg", debianPackage: "debian-archive-keyring" },
  { name: "setpriv", debianPackage: "util-linux" },
  { name: "unshare", debianPackage: "util-linux" },
  { name: "xz", debianPackage: "xz-utils" },
  ...bootableDiskTools,
];

/** The Debian packages that a host needs to build images. */
export const debootstrapHostPackages: readonly string[] = [
  ...new Set(debootstrapTools.map((tool) => tool.debianPackage)),
].toSorted();

/** Root tree, package files and disk image at their largest, beyond what was asked for in extra packages. */
const buildBytes = 2 << 30;

export interface BuildContext {
  readonly workDirectory: string;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly report: ProgressListener;
  readonly nowMs: () => number;
}

/** Resolves with the path of a qcow2 file in the work directory. */
export async function buildDebianImage(recipe: DebianRecipe, context: BuildContext): Promise<string> {
  const { signal, workDirectory } = context;
  await requireHost(signal);
  await requireSpace("build a Debian image", buildBytes, context.space);
  const root = join(workDirectory, "root");
  const disk = join(workDirectory, "disk.qcow2");
  const startedMs = context.nowMs();
  const tell = (phase: ImageProgress["phase"], message: string): void => {
    const seconds = Math.round((context.nowMs() - startedMs) / 1000);
    const text = `${message} (${seconds} s)`;
    context.report({ phase, message: text, transferredBytes: 0, totalBytes: 0, bytesPerSecond: 0 });
  };
  try {
    tell("Importing", "finding mirrors");
    const mirrors = await findDebianMirrors(recipe.suite, { signal });
    await bootstrap(recipe, { ...context, root, aptSources: mirrors.map(sourcesLine), tell });
    tell("Importing", "setting up the guest");
    await finishRootTree(root, { seed: recipe.key, aptSources: mirrors.map(sourcesLine), signal });
    tell("Converting", "writing the disk");
    await makeBootableDisk(
      {
        rootDirectory: root,
        path: disk,
        format: "qcow2",
        sizeBytes: recipe.diskBytes,
        kernel: "/vmlinuz",
        initrd: "/initrd.img",
        commandLine: guestCommandLine,
        seed: recipe.key,
      },
      { signal, run: runWithRootRights },
    );
    return disk;
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    await requireSpace("build a Debian image", 0, context.space); // a tool has no exit code for a full disk: look
    throw new ImageError("BuildFailed", `Cannot build a Debian ${recipe.suite} image: ${cause.message}`, { cause });
  }
}

async function requireHost(signal: AbortSignal): Promise<void> {
  if (process.arch !== "x64") {
    throw new ImageError("Unsupported", `Cannot build a Debian image: this host is ${process.arch}, expected x64`);
  }
  await requireTools("build a Debian image", debootstrapTools);
  await requireRootRights("build a Debian image", { signal });
}

async function bootstrap(
  recipe: DebianRecipe,
  options: BuildContext & {
    readonly root: string;
    readonly aptSources: readonly string[];
    readonly tell: (phase: ImageProgress["phase"], message: string) => void;
  },
): Promise<void> {
  const progress = new BuildProgress();
  const temporary = join(options.workDirectory, "tmp");
  await mkdir(temporary, { mode: 0o755 });
  let toldMs = -Infinity;
  const args = [
    "--pdeathsig=KILL",
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    "--verbose",
    `--aptopt=Acquire::Languages "none"`,
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    `--include=${recipe.packages.join(",")}`,
    recipe.suite,
    options.root,
    ...options.aptSources,
  ];
  await runWithRootRights("setpriv", args, {
    signal: options.signal,
    env: { ...(await aptProxies(options.signal)), TMPDIR: temporary, DEBIAN_FRONTEND: "noninteractive" },
    onLine: (line) => {
      if (!progress.read(line) || options.nowMs() - toldMs < 250) return;
      toldMs = options.nowMs();
      options.tell("Importing", progress.message);
    },
  });
}

/** Proxies that the host's apt is configured with; mmdebstrap's apt has its own configuration and reads the environment. */
async function aptProxies(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const text = await runCommand("apt-config", ["dump", "--format", "%f\t%v%n", "Acquire"], { signal });
  const env: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const [, protocol, value] = /^Acquire::(https?)::Proxy\t(\S+)$/i.exec(line) ?? [];
    if (protocol !== undefined && value !== undefined) env[`${protocol.toLowerCase()}_proxy`] = value;
  }
  return env;
}
