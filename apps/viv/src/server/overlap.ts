// Joins two recordings of one stream.

/** The length of the longest start of `next` with which `log` ends. */
export function overlapLength(log: Uint8Array, next: Uint8Array): number {
  const longest = Math.min(log.length, next.length);
  const end = Buffer.from(log.buffer, log.byteOffset, log.length);
  for (let length = longest; length > 0; length--) {
    if (end.subarray(log.length - length).equals(next.subarray(0, length))) return length;
  }
  return 0;
}
