// Decides how far back history is kept. It is asked after writes only, so that an idle store does nothing.

export interface RetentionOptions {
  /** At least so many of the newest revisions stay. Default 10,000. */
  readonly minRevisions?: number;
  /** History younger than this stays too, up to `maxRevisions`. Default five minutes. */
  readonly minAgeMs?: number;
  /** Never keep more revisions than this. Default 100,000. */
  readonly maxRevisions?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

const markEveryMs = 10_000;

export class Retention {
  readonly #minRevisions: number;
  readonly #maxRevisions: number;
  readonly #minAgeMs: number;
  readonly #now: () => number;
  /** Which revision was the newest at which time, oldest first. */
  readonly #marks: { at: number; revision: number }[] = [];

  constructor(options: RetentionOptions = {}) {
    this.#minRevisions = options.minRevisions ?? 10_000;
    this.#maxRevisions = Math.max(options.maxRevisions ?? 100_000, this.#minRevisions);
    this.#minAgeMs = options.minAgeMs ?? 5 * 60_000;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The revision up to which history may go, now that `revision` is the newest; 0 or less: none. */
  target(revision: number): number {
    const now = this.#now();
    const marks = this.#marks;
    const last = marks.at(-1);
    if (last === undefined || now - last.at >= markEveryMs) marks.push({ at: now, revision });
    while (marks.length > 1 && now - (marks[1]?.at ?? now) >= this.#minAgeMs) marks.shift();
    const first = marks[0];
    const oldEnough = first !== undefined && now - first.at >= this.#minAgeMs ? first.revision : 0;
    return Math.max(revision - this.#maxRevisions, Math.min(revision - this.#minRevisions, oldEnough));
  }
}
