// Where a paged list goes on: the revision of its first page, and the last key that was given. Opaque to clients.

import { badRequest } from "../errors.ts";

export interface ContinueToken {
  /** Undefined: whatever is newest then, because the revision of the first page is gone. */
  readonly revision: number | undefined;
  /** Relative to the prefix of the list. */
  readonly startAfter: string;
  /** How many there were still to come, where that was known. */
  readonly remaining?: number;
}

const version = "meta.k8s.io/v1";

export function encodeContinue({ revision, startAfter, remaining }: ContinueToken): string {
  return Buffer.from(
    JSON.stringify({
      v: version,
      rv: revision ?? -1,
      start: startAfter,
      ...(remaining !== undefined && { remaining }),
    }),
  ).toString("base64url");
}

export function decodeContinue(text: string): ContinueToken {
  try {
    const token = JSON.parse(Buffer.from(text, "base64url").toString()) as Record<string, unknown>;
    const { v, rv, start, remaining } = token;
    if (v === version && Number.isSafeInteger(rv) && Number(rv) >= -1 && rv !== 0 && typeof start === "string")
      return {
        revision: rv === -1 ? undefined : Number(rv),
        startAfter: start,
        ...(Number.isSafeInteger(remaining) && { remaining: Number(remaining) }),
      };
  } catch {
    // Told below.
  }
  throw badRequest("continue key is not valid");
}
