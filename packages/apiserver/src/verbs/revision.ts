// A resourceVersion in a query: opaque to clients, a store revision to us.

import { badRequest } from "../errors.ts";

/** Undefined when there is none. */
export function parseRevision(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`Invalid resourceVersion: found ${JSON.stringify(text)}, expected one from an earlier answer`);
  return Number(text);
}
