// What is known of a partial download, so that a later one can resume it rather than start over.

import { readFile, rm, stat } from "node:fs/promises";
import { writeFileDurably } from "./durable-file.ts";

export interface DownloadRecord {
  readonly url: string;
  /** A strong ETag or a Last-Modified date: what If-Range needs. */
  readonly validator?: string;
  /** 0 when the server did not say. */
  readonly totalBytes: number;
  /** Bytes that were not synced survive the process, but not the machine: another boot starts over. */
  readonly bootId: string;
}

export interface PartialDownload {
  readonly path: string;
  readonly recordPath: string;
}

export function partialDownload(directory: string, key: string): PartialDownload {
  return { path: `${directory}/${key}.part`, recordPath: `${directory}/${key}.json` };
}

/** Undefined when there is nothing to resume. */
export async function readPartial(
  partial: PartialDownload,
  url: string,
): Promise<{ readonly sizeBytes: number; readonly record: DownloadRecord } | undefined> {
  try {
    const record = JSON.parse(await readFile(partial.recordPath, "utf8")) as DownloadRecord;
    const { size } = await stat(partial.path);
    const isSame = record.url === url && record.bootId === (await bootId());
    return isSame && size > 0 ? { sizeBytes: size, record } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

export async function writePartialRecord(
  partial: PartialDownload,
  record: Omit<DownloadRecord, "bootId">,
): Promise<void> {
  await writeFileDurably(partial.recordPath, JSON.stringify({ ...record, bootId: await bootId() }));
}

export async function removePartial(partial: PartialDownload): Promise<void> {
  await rm(partial.path, { force: true });
  await rm(partial.recordPath, { force: true });
}

async function bootId(): Promise<string> {
  try {
    return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  } catch {
    return "unknown"; // not Linux: a crash of the machine is then not told apart
  }
}
