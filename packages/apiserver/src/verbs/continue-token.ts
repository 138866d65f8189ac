// Where a paged list goes on: the revision of its first page, and the last key that was given. Opaque to clients.

import { badRequest } from "../errors.ts";

export interface ContinueToken {
  readonly revision: number;
  /** Relative to the prefix of the list. */
  readonly startAfter: string;
}

export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: "meta.k8s.io/v1", rv: token.revision, start: token.startAfter })).toString(
    "base64url",
  );
}

export function decodeContinue(text: string): ContinueToken {
  try {
    const token = JSON.parse(Buffer.from(text, "base64url").toString()) as Record<string, unknown>;
    const { v, rv, start } = token;
    if (v === "meta.k8s.io/v1" && Number.isSafeInteger(rv) && typeof start === "string")
      return { revision: Number(rv), startAfter: start };
  } catch {
    // Told below.
  }
  throw badRequest("continue key is not valid");
}
