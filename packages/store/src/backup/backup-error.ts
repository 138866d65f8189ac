// What keeps a backup from being taken back.

/**
 * - `not-a-backup`: the file is something else.
 * - `damaged`: it was a backup, but is cut or changed.
 * - `not-empty`: there are objects already where it should go.
 * - `other-source`: objects of another source were being brought here.
 */
export type BackupErrorCode = "not-a-backup" | "damaged" | "not-empty" | "other-source";

export class BackupError extends Error {
  override readonly name = "BackupError";
  readonly code: BackupErrorCode;

  constructor(code: BackupErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
