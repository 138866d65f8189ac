// A provider of which a part of the calls fail: half of those before anything was done, half after it all was done, with the answer lost.
// Which ones follows from a seed.

import { ProviderError } from "@vivarium/provider";
import type { Provider } from "@vivarium/provider";

/** mulberry32: small, and the same everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function flakyProvider(
  provider: Provider,
  {
    random,
    share,
    onFailure,
  }: { readonly random: () => number; readonly share: number; readonly onFailure: () => void },
): Provider {
  const fail = (when: string): never => {
    onFailure();
    throw new ProviderError("Unavailable", `An injected failure ${when}`);
  };
  const flaky =
    (call: (...args: unknown[]) => unknown, target: object) =>
    async (...args: unknown[]): Promise<unknown> => {
      const drawn = random();
      if (drawn < share / 2) fail("before the call");
      const answer = await Reflect.apply(call, target, args);
      if (drawn < share) fail("of the answer");
      return answer;
    };
  const role = (found: object): object =>
    new Proxy(found, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        return isCall(value) ? flaky(value, target) : value;
      },
    });
  return new Proxy(provider, {
    get(target, key) {
      const found: unknown = Reflect.get(target, key);
      return typeof found === "object" && found !== null ? role(found) : isCall(found) ? found.bind(target) : found;
    },
  });
}

function isCall(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === "function";
}
