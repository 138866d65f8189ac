// Waiting for something that another process brings about.

import { setTimeout as delay } from "node:timers/promises";

/** Asks until the answer is not undefined; the last error or `what` says what was waited for. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  options: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? 60_000;
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: lastError });
    await delay(options.everyMs ?? 50);
  }
}
