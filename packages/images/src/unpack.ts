// Unpacks a compressed image. A small file may unpack to an enormous one: what it writes is limited by the room that there is and by how much a
// disk can be compressed at all.

import { spawn } from "node:child_process";
import { createReadStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { freeBytes } from "./disk-space.ts";
import type { SpaceGuard } from "./disk-space.ts";
import { requireTools } from "./host-tools.ts";
import { ImageError } from "./image-source.ts";
import { formatBytes, ProgressMeter } from "./progress-meter.ts";
import type { ProgressListener } from "./progress-meter.ts";
import { SparseWriter } from "./sparse-writer.ts";

export interface UnpackContext {
  /** For messages. */
  readonly name: string;
  readonly by: "gzip" | "xz" | "zstd";
  /** The file may have no more, with its holes. */
  readonly maxBytes: number;
  readonly space: SpaceGuard;
  readonly signal: AbortSignal;
  readonly report: ProgressListener;
  readonly nowMs: () => number;
}

/**
 * What may be written for a file of so many bytes, zeros not counted. The disks of systems are compressed to a third or a tenth; gzip can make a
 * thousandth of a pattern, zstd much less.
 */
export function mostUnpackedBytes(packedBytes: number): number {
  return 64 * 2 ** 20 + 100 * packedBytes;
}

/** More than the largest preset of xz needs, 65 MiB; a header can ask for 4 GiB. */
const xzMemory = "256MiB";

/** Throws ImageError: DiskFull, UnknownFormat for what is broken or no disk. */
export async function unpack(from: string, to: string, context: UnpackContext): Promise<void> {
  const { name, by, signal, space, nowMs, report } = context;
  const { size } = await stat(from);
  const meter = new ProgressMeter("Converting", { message: `unpacking (${by})`, report, nowMs });
  let read = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      read += chunk.length;
      meter.update(read, size);
      done(null, chunk);
    },
  });
  const roomBytes = Math.max(0, (await freeBytes(space.directory)) - space.reserveBytes);
  const source = createReadStream(from, { highWaterMark: 1 << 20 });
  try {
    await using file = await open(to, "wx", 0o644);
    const writer = new SparseWriter(file);
    const sink = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
      for await (const chunk of chunks) {
        await writer.write(chunk);
        requireSane(writer, { ...context, packedBytes: size, roomBytes });
      }
      await writer.end();
    };
    if (by === "xz") {
      await requireTools(`unpack ${name}`, [{ name: "xz", debianPackage: "xz-utils" }]);
      await unpackXz(source.pipe(counted), sink, signal);
    } else {
      const inflate = by === "gzip" ? createGunzip() : createZstdDecompress();
      await pipeline(source, counted, inflate, sink, { signal });
    }
  } catch (cause) {
    await rm(to, { force: true });
    signal.throwIfAborted();
    if (cause instanceof ImageError || (cause as NodeJS.ErrnoException).syscall !== undefined) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ImageError("UnknownFormat", `Cannot use ${name}: the file is broken ${by} data (${why})`, { cause });
  }
}

function requireSane(
  { sizeBytes, writtenBytes }: SparseWriter,
  {
    name,
    maxBytes,
    space,
    packedBytes,
    roomBytes,
  }: UnpackContext & { readonly packedBytes: number; readonly roomBytes: number },
): void {
  if (writtenBytes > roomBytes) {
    throw new ImageError("DiskFull", `Cannot unpack ${name}: it does not fit in ${space.directory}`);
  }
  const mostBytes = mostUnpackedBytes(packedBytes);
  if (writtenBytes <= mostBytes && sizeBytes <= maxBytes) return;
  const limit = sizeBytes > maxBytes ? maxBytes : mostBytes;
  throw new ImageError(
    "UnknownFormat",
    `Cannot use ${name}: its ${formatBytes(packedBytes)} unpack to more than ${formatBytes(limit)}, which no disk image does`,
  );
}

async function unpackXz(
  source: NodeJS.ReadableStream,
  sink: (chunks: AsyncIterable<Uint8Array>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const xz = spawn("xz", ["-dc", `--memlimit-decompress=${xzMemory}`], { stdio: ["pipe", "pipe", "pipe"], signal });
  const stderr: Buffer[] = [];
  xz.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  xz.once("error", reject);
  xz.once("close", (code) => {
    if (code === 0) resolve();
    else reject(new Error(Buffer.concat(stderr).toString("utf8").trim() || `xz exit code ${code}`));
  });
  // xz may end before it has read all (broken data): its own message says more than EPIPE.
  const fed = pipeline(source, xz.stdin, { signal }).catch(() => undefined);
  try {
    await Promise.all([pipeline(xz.stdout, sink, { signal }), ended]);
  } finally {
    // One whose output nobody wants any more would wait for ever.
    xz.kill();
  }
  await fed;
}
