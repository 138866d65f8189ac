// The serial console's log, for messages and `viv logs`.

import { VirtualMachine, type ObjectKey } from "@vivarium/api";
import type { Session } from "./connect.ts";

/** The last line that the guest printed; undefined when there is none or it cannot be had. */
export async function lastSerialLine(session: Session, key: ObjectKey): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  try {
    const signal = AbortSignal.timeout(3_000);
    for await (const chunk of await session.client.openLog(VirtualMachine, key, { tailBytes: 4_096, signal })) {
      chunks.push(chunk);
    }
  } catch {
    // Said only as an extra to a message about something else.
    return undefined;
  }
  return readableLines(Buffer.concat(chunks).toString("utf8")).at(-1);
}

/** Pure: lines without terminal control sequences and without empty ones. */
export function readableLines(text: string): readonly string[] {
  // oxlint-disable no-control-regex -- terminal control sequences begin with ESC
  return text
    .replaceAll(/\u001B\[[0-9;?]*[ -/]*[@-~]|\u001B[()][A-Z0-9]|\u001B[=>78cDM]/g, "")
    .split(/\r?\n|\r/)
    .map((line) => line.trimEnd())
    .filter((line) => line.trim() !== "");
}
