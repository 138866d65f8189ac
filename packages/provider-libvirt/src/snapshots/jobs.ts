// Long work inside QEMU: watched until it ends, and told of.

import { BlockCommitFlags, BlockJobAbortFlags, BlockJobType, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { Clock, SnapshotCallOptions, SnapshotProgress } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";

const lookMs = 500;
const quickLookMs = 100;

/** Tells how far the job of a domain is until it is stopped. What cannot be asked is not told. */
export function watchJob(
  { host }: { readonly host: LibvirtHost },
  { domain, options }: { readonly domain: Domain; readonly options: SnapshotCallOptions | undefined },
): { stop(): Promise<void> } {
  const onProgress = options?.onProgress;
  const ended = new AbortController();
  const watching =
    onProgress === undefined ? Promise.resolve() : watch(host, { domain, onProgress, signal: ended.signal });
  return {
    async stop() {
      ended.abort();
      await watching;
    },
  };
}

async function watch(
  host: LibvirtHost,
  {
    domain,
    onProgress,
    signal,
  }: {
    readonly domain: Domain;
    readonly onProgress: (progress: SnapshotProgress) => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  try {
    for (;;) {
      await host.clock.delay(lookMs, { signal });
      const job = await host.connection?.domainGetJobInfo(domain, { signal });
      if (job === undefined || job.dataTotalBytes === 0) continue;
      onProgress({ doneBytes: job.dataProcessedBytes, totalBytes: job.dataTotalBytes });
    }
  } catch (error) {
    if (signal.aborted) return;
    host.log.debug({ err: error }, "the job could not be asked for its progress");
  }
}

interface Commit {
  readonly domain: Domain;
  /** Of the disk whose chain both are in. */
  readonly target: string;
  readonly basePath: string;
  readonly topPath: string;
  /** Nothing is above `top`: the guest goes on with `base`. */
  readonly isActive: boolean;
}

/** Merges a file of a running domain into the one below it. Takes over one that is under way. */
export async function commit(
  libvirt: Libvirt,
  { domain, target, basePath, topPath, isActive }: Commit,
  { clock, options }: { readonly clock: Clock; readonly options: SnapshotCallOptions | undefined },
): Promise<void> {
  const wanted = isActive ? BlockJobType.ACTIVE_COMMIT : BlockJobType.COMMIT;
  const before = await libvirt.domainGetBlockJobInfo(domain, target, options);
  if (before !== undefined && before.type !== wanted) {
    throw new ProviderError("Conflict", `Cannot merge "${topPath}": another job works on disk ${target}`);
  }
  if (before === undefined) {
    const flags = isActive ? BlockCommitFlags.ACTIVE : 0;
    await libvirt.domainBlockCommit(domain, { disk: target, base: basePath, top: topPath }, { ...options, flags });
  }
  for (let waitMs = quickLookMs; ; waitMs = Math.min(2 * waitMs, lookMs)) {
    const job = await libvirt.domainGetBlockJobInfo(domain, target, options);
    if (job === undefined) return;
    if (job.end > 0) options?.onProgress?.({ doneBytes: job.current, totalBytes: job.end });
    if (isActive && job.end > 0 && job.current === job.end && (await pivot(libvirt, { domain, target, options })))
      return;
    await clock.delay(waitMs, options?.signal === undefined ? {} : { signal: options.signal });
  }
}

async function pivot(
  libvirt: Libvirt,
  { domain, target, options }: { domain: Domain; target: string; options: SnapshotCallOptions | undefined },
): Promise<boolean> {
  try {
    await libvirt.domainBlockJobAbort(domain, target, { ...options, flags: BlockJobAbortFlags.PIVOT });
    return true;
  } catch (error) {
    // QEMU says so a moment later than the figures do.
    if (isLibvirtError(error, "BLOCK_COPY_ACTIVE")) return false;
    throw error;
  }
}
