// Cuts a stream of bytes into lines, with a bound: a peer that never ends its line must not fill the memory.

import { ConnectionError } from "./connection-error.ts";

const newline = 0x0a;
const defaultMaxLineBytes = 64 * 1024 * 1024;

/** Complete lines without their newline; empty ones are skipped. A last line without newline is not complete: dropped. */
export async function* lines(
  chunks: AsyncIterable<Uint8Array>,
  { maxLineBytes = defaultMaxLineBytes }: { readonly maxLineBytes?: number } = {},
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const tail = chunk.subarray(start, end);
      start = end + 1;
      const line = pending.length === 0 ? tail : Buffer.concat([...pending, tail]);
      pending = [];
      pendingBytes = 0;
      if (line.length > 0) yield decoder.decode(line);
    }
    if (start < chunk.length) {
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > maxLineBytes) {
        throw new ConnectionError("Protocol", `Cannot read the stream: a line is longer than ${maxLineBytes} bytes`);
      }
    }
  }
}
