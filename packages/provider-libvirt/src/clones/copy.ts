// One disk of a clone: a file of its own that holds everything, or one that backs onto the source.

import { isLibvirtError } from "@vivarium/libvirt";
import { isProviderError } from "@vivarium/provider";
import type { CallOptions } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { VolumePool } from "../pool.ts";
import { buildVolumeXml } from "../volume-xml.ts";
import type { VolumeView } from "../volume-xml.ts";

export interface CopyParts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
}

export type OnBytes = (bytes: { readonly doneBytes: number; readonly totalBytes: number }) => void;

const lookMs = 500;
/** A copy that a killed server had asked for goes on in the daemon; it is waited for, and made anew. */
const leftoverMs = 1_000;

export async function makeLinked(
  { pool }: CopyParts,
  {
    name,
    from,
    options,
  }: { readonly name: string; readonly from: VolumeView; readonly options: CallOptions | undefined },
): Promise<void> {
  const backing = { path: from.path, format: formatOf(from) };
  await pool.create({ name, format: "qcow2", capacityBytes: from.capacityBytes, allocationBytes: 0, backing }, options);
}

/** With all that the source backs onto. The daemon says nothing of its progress: the file's growth does. */
export async function makeFull(
  parts: CopyParts,
  {
    name,
    from,
    options,
    onBytes,
  }: {
    readonly name: string;
    readonly from: VolumeView;
    readonly options: CallOptions | undefined;
    readonly onBytes: OnBytes;
  },
): Promise<void> {
  const { pool } = parts;
  const totalBytes = Math.min(from.capacityBytes, await takenBy(parts, from, options));
  const xml = buildVolumeXml({ name, format: "qcow2", capacityBytes: from.capacityBytes, allocationBytes: 0 });
  const copying = pool.orNoSpace(
    name,
    totalBytes,
    pool.use(
      `copy volume "${from.name}"`,
      async (open) => {
        const source = await open.libvirt.storageVolLookupByName(open.pool, from.name, options);
        await open.libvirt.storageVolCreateXmlFrom(open.pool, { xml, from: source }, options);
      },
      options,
    ),
  );
  const ended = new AbortController();
  const watching = watchGrowth(parts, { name, totalBytes, onBytes, signal: ended.signal });
  try {
    await copying;
  } finally {
    ended.abort();
    await watching;
  }
  onBytes({ doneBytes: totalBytes, totalBytes });
}

/** Of a file and everything below it. */
async function takenBy({ pool }: CopyParts, top: VolumeView, options: CallOptions | undefined): Promise<number> {
  let bytes = 0;
  const seen = new Set<string>();
  for (let view: VolumeView | undefined = top; view !== undefined && !seen.has(view.name);) {
    seen.add(view.name);
    bytes += view.allocationBytes;
    const below: string | undefined = view.backingPath?.slice(view.backingPath.lastIndexOf("/") + 1);
    view = below === undefined ? undefined : await pool.find(below, options);
  }
  return bytes;
}

async function watchGrowth(
  { host, pool }: CopyParts,
  {
    name,
    totalBytes,
    onBytes,
    signal,
  }: {
    readonly name: string;
    readonly totalBytes: number;
    readonly onBytes: OnBytes;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  try {
    for (;;) {
      await host.clock.delay(lookMs, { signal });
      const view = await pool.find(name, { signal });
      if (view !== undefined) onBytes({ doneBytes: Math.min(view.allocationBytes, totalBytes), totalBytes });
    }
  } catch (error) {
    if (!signal.aborted) host.log.debug({ err: error }, "the growth of a copy could not be seen");
  }
}

/** What an earlier try made, whole or not. */
export async function removeLeftover(
  { host, pool }: CopyParts,
  name: string,
  options: CallOptions | undefined,
): Promise<void> {
  for (;;) {
    try {
      await pool.delete(name, options);
      return;
    } catch (error) {
      if (!isProviderError(error, "Unavailable") || !isLibvirtError(error.cause, "OPERATION_INVALID")) throw error;
      await host.clock.delay(leftoverMs, options?.signal === undefined ? {} : { signal: options.signal });
    }
  }
}

function formatOf({ format }: VolumeView): "qcow2" | "raw" {
  return format === "raw" ? "raw" : "qcow2";
}
