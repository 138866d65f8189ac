// What a store can fail with. Callers decide by class and code, never by the text.

/** The revision asked for is no longer there: list again and watch from the list's revision. */
export class CompactedError extends Error {
  override readonly name = "CompactedError";
  readonly revision: number;
  readonly compactedRevision: number;

  constructor(revision: number, compactedRevision: number) {
    super(`Cannot read revision ${revision}: compacted up to ${compactedRevision}, expected a later one`);
    this.revision = revision;
    this.compactedRevision = compactedRevision;
  }
}

/**
 * - `closed`: the store was closed; nothing was written.
 * - `future-revision`: a revision was asked for that does not exist yet.
 * - `unavailable`: the file or the cluster could not be read or written; nothing was written.
 * - `uncertain`: the connection broke, or the time was up, after a write was sent: it may have been made, now or soon, or not.
 * - `full`: there is no space left; nothing was written, and reads and watches go on.
 * - `too-large`: the value is larger than the store takes; nothing was written.
 * - `corrupt`: the file is not a store of ours.
 */
export type StoreErrorCode =
  | "closed"
  | "future-revision"
  | "unavailable"
  | "uncertain"
  | "full"
  | "too-large"
  | "corrupt";

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
