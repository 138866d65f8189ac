// Whether a process that has nothing to do leaves the disk alone.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Calls that sync a file within ten seconds; text when they cannot be counted. */
export async function countSyncs(pid: number): Promise<number | string> {
  try {
    const { stderr } = await execute("timeout", [
      "-s",
      "INT",
      "10",
      "strace",
      "-f",
      "-qq",
      "-e",
      "trace=fsync,fdatasync,sync_file_range,msync",
      "-p",
      String(pid),
    ]).catch((error: { stderr?: string; code?: number | string }) => {
      if (error.code === 124 || error.code === 0) return { stderr: error.stderr ?? "" };
      throw error;
    });
    return stderr.split("\n").filter((line) => /sync/.test(line)).length;
  } catch (error) {
    return `not counted: ${error instanceof Error ? error.message : "strace is missing"}`;
  }
}
