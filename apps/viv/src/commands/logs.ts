// `viv logs`: the serial console's log, raw.

import { VirtualMachine } from "@vivarium/api";
import type { GlobalOptions } from "../global-options.ts";
import { connect } from "../session/connect.ts";
import { DetachedError, interruptSignal } from "../session/interrupt.ts";

interface LogsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly tail?: number;
}

/** Enough for a line of a serial console; the server counts bytes, people count lines. */
const bytesPerLine = 512;

export async function logs(name: string, options: LogsOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { tail } = options;
  let isFirst = true;
  try {
    const chunks = await session.client.openLog(
      VirtualMachine,
      { namespace: session.namespace, name },
      {
        signal,
        follow: options.follow === true,
        ...(tail === undefined ? {} : { tailBytes: (tail + 1) * bytesPerLine }),
      },
    );
    const start: Uint8Array[] = [];
    for await (const chunk of chunks) {
      if (tail === undefined || !isFirst) process.stdout.write(chunk);
      else if (options.follow === true) process.stdout.write(lastLines(Buffer.from(chunk), tail));
      else {
        start.push(chunk);
        continue;
      }
      isFirst = false;
    }
    if (start.length > 0 && tail !== undefined) process.stdout.write(lastLines(Buffer.concat(start), tail));
  } catch (error) {
    if (!(signal.reason instanceof DetachedError)) throw error;
  }
}

/** Pure: the last lines, the unfinished one counted. */
export function lastLines(log: Buffer, count: number): Buffer {
  if (count === 0) return Buffer.alloc(0);
  let from = log.length;
  // A final newline ends the last line; it does not start another one.
  if (log.at(-1) === 0x0a) from--;
  for (let left = count; left > 0; left--) {
    from = log.lastIndexOf(0x0a, from - 1);
    if (from <= 0) return from === 0 && left === 1 ? log.subarray(1) : log;
  }
  return log.subarray(from + 1);
}
