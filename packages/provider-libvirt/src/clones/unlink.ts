// Makes a linked clone independent: everything that its disks need from below is drawn into their own files, by QEMU, while the guest
// runs or in a helper that never does. Drawn twice is drawn once, so what was interrupted is merely done again.

import { BlockJobType } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { CallOptions, Clock, CloneProgress, VmIdentity } from "@vivarium/provider";
import { withHelper } from "../snapshots/collect.ts";
import { internalsOf } from "../snapshots/internal.ts";
import { requireLook } from "../snapshots/look.ts";
import type { SnapshotParts } from "../snapshots/look.ts";

export type UnlinkOptions = CallOptions & { readonly onProgress?: (progress: CloneProgress) => void };

const quickLookMs = 100;
const lookMs = 500;

export async function unlinkDisks(
  parts: SnapshotParts,
  vm: VmIdentity,
  options: UnlinkOptions | undefined,
): Promise<void> {
  const { host, pool, usage } = parts;
  const look = await requireLook(parts, { vm, action: "unlink", options });
  const { libvirt, domain, disks, poolPath, isOn } = look;
  const internals = await internalsOf(libvirt, { vm, domain, options });
  if (look.record.snapshots.length > 0 || internals.length > 0) {
    const message = `Cannot make VM "${vm.name}" independent: it has snapshots, which need what lies below them: remove those first`;
    throw new ProviderError("Conflict", message);
  }
  if (look.hasSavedMemory) {
    const message = `Cannot make VM "${vm.name}" independent: its memory is saved to disk and knows only its present files`;
    throw new ProviderError("Conflict", message);
  }
  for (const [index, disk] of disks.own.entries()) {
    if ((await pool.find(disk.head, options))?.backingPath === undefined) continue;
    const job = {
      clock: host.clock,
      options,
      onBytes: (diskDoneBytes: number, diskTotalBytes: number) =>
        options?.onProgress?.({
          disk: disk.name,
          diskDoneBytes,
          diskTotalBytes,
          doneDisks: index,
          totalDisks: disks.own.length,
        }),
    };
    if (isOn) {
      await pull(libvirt, { domain, target: disk.target, ...job });
    } else {
      await withHelper(libvirt, { vm, path: `${poolPath}/${disk.head}` }, (helper) =>
        pull(libvirt, { domain: helper, target: "vda", ...job }),
      );
    }
    usage.forget();
    await pool.refresh(options);
    if ((await pool.find(disk.head, options))?.backingPath !== undefined) {
      const message = `Cannot make VM "${vm.name}" independent: QEMU gave up on disk "${disk.name}"`;
      throw new ProviderError("Internal", message);
    }
  }
}

async function pull(
  libvirt: Libvirt,
  {
    domain,
    target,
    clock,
    options,
    onBytes,
  }: {
    readonly domain: Domain;
    readonly target: string;
    readonly clock: Clock;
    readonly options: CallOptions | undefined;
    readonly onBytes: (doneBytes: number, totalBytes: number) => void;
  },
): Promise<void> {
  const signal = options?.signal === undefined ? {} : { signal: options.signal };
  const before = await libvirt.domainGetBlockJobInfo(domain, target, signal);
  if (before !== undefined && before.type !== BlockJobType.PULL) {
    throw new ProviderError("Conflict", `Cannot draw in what disk ${target} backs onto: another job works on it`);
  }
  if (before === undefined) await libvirt.domainBlockPull(domain, { disk: target }, signal);
  for (let waitMs = quickLookMs; ; waitMs = Math.min(2 * waitMs, lookMs)) {
    const job = await libvirt.domainGetBlockJobInfo(domain, target, signal);
    if (job === undefined) return;
    if (job.end > 0) onBytes(job.current, job.end);
    await clock.delay(waitMs, signal);
  }
}
