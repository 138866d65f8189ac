// What a process has used, told by itself.

export interface Usage {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  /** Outside the JavaScript heap: the bytes of Buffers. */
  readonly arrayBufferBytes: number;
}

/** `collect`: garbage first, so that only what is held is counted. */
export async function usage({ collect }: { readonly collect: boolean }): Promise<Usage> {
  if (collect) {
    for (let round = 0; round < 3; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return {
    atMs: monotonicMs(),
    cpuMs: (user + system) / 1000,
    rssBytes: rss,
    heapBytes: heapUsed,
    arrayBufferBytes: arrayBuffers,
  };
}

/** The machine's own clock: the same in all processes. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Processor time per time between two readings; 1 is one whole core. */
export function coreShare(before: Usage, after: Usage): number {
  return Math.round(((after.cpuMs - before.cpuMs) / (after.atMs - before.atMs)) * 100) / 100;
}
