// Finds the zeros in a stream of bytes, so that they need not be sent.

import type { StreamPart } from "../session/rpc-stream.ts";

/** As a file system's block, times some: smaller holes cost more than they save. */
const grainBytes = 64 * 1024;
const zeros = Buffer.alloc(grainBytes);

/** The same bytes, with runs of zeros as holes. Runs are looked for in steps of 64 KiB of each chunk. */
export async function* sparseParts(
  // It reads on over zeros while what it gave last may still be on its way.
  source: AsyncIterable<Uint8Array> & { readonly reusesBuffers?: never },
): AsyncGenerator<StreamPart, void, undefined> {
  let holeBytes = 0;
  for await (const chunk of source) {
    let dataFrom = 0;
    for (let at = 0; at < chunk.length; at += grainBytes) {
      const grain = chunk.subarray(at, at + grainBytes);
      if (zeros.compare(grain, 0, grain.length, 0, grain.length) !== 0) {
        if (holeBytes > 0) yield { holeBytes };
        if (holeBytes > 0) dataFrom = at;
        holeBytes = 0;
        continue;
      }
      if (holeBytes === 0 && at > dataFrom) yield chunk.subarray(dataFrom, at);
      holeBytes += grain.length;
      dataFrom = at + grain.length;
    }
    if (dataFrom < chunk.length) yield chunk.subarray(dataFrom);
  }
  if (holeBytes > 0) yield { holeBytes };
}
