// The live part of a move: libvirt's own migration, led from here through its five steps, so that neither host needs a way to log in to the
// other. What goes from one to the other directly is the guest's memory, and its disks where they are copied.

import { DomainJobStatsFlags, DomainJobType, isLibvirtError, MigrateFlags, migrateDomain } from "@vivarium/libvirt";
import type { Domain, Libvirt, MigrationParams } from "@vivarium/libvirt";
import type { CallOptions, Move, MoveProgress, MoveReport } from "@vivarium/provider";
import type { OwnDomain } from "../domain/lookup.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { WrittenFile } from "./files.ts";

export interface LiveMove {
  readonly from: LibvirtHost;
  readonly to: LibvirtHost;
  readonly move: Move;
  /** Mirrored on the way; none where the storage is shared. */
  readonly mirrored: readonly WrittenFile[];
  /** Where QEMU of the other host is reached; undefined where libvirt itself says. */
  readonly address: string | undefined;
  readonly onProgress: (progress: MoveProgress) => void;
  readonly options: CallOptions | undefined;
}

const lookEveryMs = 500;
/** The caller has a deadline of its own. */
const longestMs = 24 * 3_600_000;
const defaultDowntimeMs = 300;

export async function moveLive({ domain }: OwnDomain, live: LiveMove): Promise<MoveReport> {
  const { from, to, options } = live;
  return from.attempt(
    `move domain "${domain.name}"`,
    (source) =>
      to.attempt(
        `take in domain "${domain.name}"`,
        async (target) => {
          options?.signal?.throwIfAborted();
          const ended = new AbortController();
          const watching = watch(domain, { source, live, signal: ended.signal });
          try {
            const moved = await migrateDomain(domain, {
              from: source,
              to: target,
              params: paramsOf(live),
              flags: flagsOf(live),
              timeoutMs: longestMs,
            });
            return await reportOf(moved, target);
          } catch (error) {
            options?.signal?.throwIfAborted();
            throw error;
          } finally {
            ended.abort();
            await watching;
          }
        },
        options,
      ),
    options,
  );
}

function flagsOf({ mirrored, move: { tuning = {} } }: LiveMove): number {
  return [
    MigrateFlags.LIVE,
    MigrateFlags.PERSIST_DEST,
    MigrateFlags.UNDEFINE_SOURCE,
    // libvirt goes by the type of the file system; that both see one file was tried.
    MigrateFlags.UNSAFE,
    mirrored.length > 0 ? MigrateFlags.NON_SHARED_INC : 0,
    tuning.autoConverge === true ? MigrateFlags.AUTO_CONVERGE : 0,
    tuning.postCopy === true ? MigrateFlags.POSTCOPY : 0,
    tuning.compress === true ? MigrateFlags.COMPRESSED : 0,
  ].reduce((all, flag) => all | flag, 0);
}

const mib = 2 ** 20;

function paramsOf({ address, move: { tuning = {} }, mirrored }: LiveMove): MigrationParams {
  const { maxBytesPerSecond } = tuning;
  return {
    ...(address === undefined ? {} : { migrate_uri: `tcp://${address.includes(":") ? `[${address}]` : address}` }),
    ...(maxBytesPerSecond === undefined ? {} : { bandwidth: Math.max(1, Math.round(maxBytesPerSecond / mib)) }),
    ...(mirrored.length === 0 ? {} : { migrate_disks: mirrored.map(({ target }) => target) }),
  };
}

/** Tells of the progress, tunes what can only be tuned while it goes on, and gives it up when the caller does. */
async function watch(
  domain: Domain,
  { source, live, signal }: { readonly source: Libvirt; readonly live: LiveMove; readonly signal: AbortSignal },
): Promise<void> {
  const { tuning = {} } = live.move;
  const givenUp = live.options?.signal;
  let isTuned = false;
  let isPostCopy = false;
  while (!signal.aborted) {
    try {
      if (givenUp?.aborted === true) await source.domainAbortJob(domain);
      const { type, values } = await source.domainGetJobStats(domain);
      if (type === DomainJobType.BOUNDED || type === DomainJobType.UNBOUNDED) {
        const number = (field: string): number => Number(values[field] ?? 0);
        if (!isTuned) {
          await source.domainMigrateSetMaxDowntime(domain, tuning.maxDowntimeMs ?? defaultDowntimeMs);
          isTuned = true;
        }
        if (tuning.postCopy === true && !isPostCopy && number("memory_iteration") > 1) {
          await source.domainMigrateStartPostCopy(domain);
          isPostCopy = true;
        }
        const rate = number("memory_bps") + number("disk_bps");
        live.onProgress({
          doneBytes: Math.min(number("data_processed"), number("data_total")),
          totalBytes: number("data_total"),
          ...(rate > 0 ? { bytesPerSecond: rate } : {}),
        });
      }
    } catch {
      // Not begun yet, or over: the move itself says which.
    }
    const isGivenUp = givenUp?.aborted === true;
    const woken = givenUp === undefined || isGivenUp ? signal : AbortSignal.any([signal, givenUp]);
    await live.from.clock.delay(isGivenUp ? 100 : lookEveryMs, { signal: woken }).catch(() => undefined);
  }
}

/** The target knows how long the guest stood still. */
async function reportOf(moved: Domain, target: Libvirt): Promise<MoveReport> {
  try {
    const { values } = await target.domainGetJobStats(moved, { flags: DomainJobStatsFlags.COMPLETED });
    const { downtime } = values;
    return downtime === undefined ? {} : { downtimeMs: Number(downtime) };
  } catch (error) {
    if (isLibvirtError(error)) return {};
    throw error;
  }
}
