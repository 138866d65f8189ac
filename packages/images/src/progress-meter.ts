// Turns bytes as they come into progress that people can read: at most four reports a second, with rate and ETA.

import type { ImageProgress } from "./image-source.ts";

export type ProgressListener = (progress: ImageProgress) => void;

const reportIntervalMs = 250;
/** The rate is that of the last few seconds: an average since the start says nothing about a link that went slow. */
const rateWindowMs = 5000;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

export class ProgressMeter {
  readonly #phase: ImageProgress["phase"];
  readonly #report: ProgressListener;
  readonly #nowMs: () => number;
  #message: string;
  #samples: Sample[] = [];
  #reportedAtMs = -Infinity;

  constructor(
    phase: ImageProgress["phase"],
    options: { readonly message: string; readonly report: ProgressListener; readonly nowMs: () => number },
  ) {
    this.#phase = phase;
    this.#message = options.message;
    this.#report = options.report;
    this.#nowMs = options.nowMs;
  }

  /** A new message is reported at once, as it says something that bytes do not. */
  say(message: string, { transferredBytes, totalBytes }: { transferredBytes: number; totalBytes: number }): void {
    this.#message = message;
    this.#samples = [];
    this.#reportedAtMs = -Infinity;
    this.update(transferredBytes, totalBytes);
  }

  update(transferredBytes: number, totalBytes: number): void {
    const atMs = this.#nowMs();
    const isLast = totalBytes > 0 && transferredBytes >= totalBytes;
    if (atMs - this.#reportedAtMs < reportIntervalMs && !isLast) return;
    this.#reportedAtMs = atMs;
    this.#samples.push({ atMs, bytes: transferredBytes });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? atMs) > rateWindowMs) this.#samples.shift();
    const bytesPerSecond = this.#rate();
    const leftBytes = totalBytes - transferredBytes;
    this.#report({
      phase: this.#phase,
      message: this.#message,
      transferredBytes,
      totalBytes,
      bytesPerSecond,
      ...(totalBytes > 0 && bytesPerSecond > 0 && { etaSeconds: Math.ceil(leftBytes / bytesPerSecond) }),
    });
  }

  #rate(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return Math.max(0, Math.round(((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs)));
  }
}

/** `1.2 GiB`, for messages. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
