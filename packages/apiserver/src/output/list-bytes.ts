// A list as JSON, put together from the bytes of its objects as they lie in the store: nothing is parsed, and a long list leaves the
// server in blocks, so that it is never in memory a second time.

import type { KeyValue } from "@vivarium/store";
import type { Resource } from "../resource.ts";
import { presentedParts } from "../stored-object.ts";

/** Larger ones malloc would map, and the kernel clear, each time anew. */
const blockBytes = 64 * 1024;
const comma = ",".charCodeAt(0);
const end = Buffer.from("]}\n");

/** `metadata`: of the list. */
export function* listBlocks(
  items: readonly KeyValue[],
  { resource, metadata }: { readonly resource: Resource; readonly metadata: object },
): Generator<Uint8Array> {
  const { listKind: kind, apiVersion } = resource;
  const start = Buffer.from(JSON.stringify({ kind, apiVersion, metadata, items: [] }).slice(0, -2));
  let block = Buffer.allocUnsafe(blockBytes);
  let used = start.copy(block);
  let isFirst = true;
  for (const item of items) {
    const { head, version, tail } = presentedParts(item, resource);
    const size = head.length + version.length + tail.length + 1;
    if (used + size + end.length > block.length) {
      yield block.subarray(0, used);
      block = Buffer.allocUnsafe(Math.max(blockBytes, size + end.length));
      used = 0;
    }
    if (!isFirst) block[used++] = comma;
    isFirst = false;
    used += head.copy(block, used);
    used += block.write(version, used, "latin1");
    used += tail.copy(block, used);
  }
  used += end.copy(block, used);
  yield block.subarray(0, used);
}
