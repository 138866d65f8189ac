// Waits for what other parts of the process are about to do; the bound only ends a test that would fail anyway.

import { setTimeout as delay } from "node:timers/promises";

export async function eventually<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  what: string,
  { withinMs = 60_000 }: { readonly withinMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`Not seen within ${withinMs / 1000} s: ${what}`);
    await delay(2);
  }
}
