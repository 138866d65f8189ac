// SQLite's failures in the store's words, by their codes (https://www.sqlite.org/rescode.html).

import { StoreError } from "../store-error.ts";

const full = 13;
/** No room for the index of the write-ahead log. */
const ioErrorShmSize = 4874;

/** Of a transaction that was rolled back. */
export function writeFailure(cause: unknown): StoreError {
  const code = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) : 0;
  const isFull = (code & 0xff) === full || code === ioErrorShmSize;
  return new StoreError(isFull ? "full" : "unavailable", `Cannot write to the store: ${String(cause)}`, { cause });
}
