// Asks URLs that a guest on this machine's hypervisor will need, before minutes go into that guest: it goes out by this machine's network.

import { setTimeout } from "node:timers/promises";
import { failureText } from "../http-source.ts";

export interface UnreachableUrl {
  readonly url: string;
  readonly why: string;
}

interface Options {
  readonly signal: AbortSignal;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Between one try and the next. */
  readonly pauseMs?: number;
}

const tries = 3;
const answerTimeoutMs = 15_000;

/** Those at which nobody answers. An answer of any kind will do: a folder may not be listed. */
export async function findUnreachable(urls: readonly string[], options: Options): Promise<readonly UnreachableUrl[]> {
  // Where the way out is a proxy this process, which uses none, can say nothing of what a guest reaches.
  if (hasProxy(options.environment ?? process.env)) return [];
  const found = await Promise.all(urls.map((url) => findWhy(url, options)));
  return found.filter((each) => each !== undefined);
}

function hasProxy(environment: Readonly<Record<string, string | undefined>>): boolean {
  return Object.entries(environment).some(([name, value]) => /^(https?|all)_proxy$/i.test(name) && value !== "");
}

async function findWhy(url: string, { signal, pauseMs = 3_000 }: Options): Promise<UnreachableUrl | undefined> {
  let why = "";
  for (let count = 1; count <= tries; count += 1) {
    try {
      const response = await fetch(url, {
        headers: { range: "bytes=0-0" },
        signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
      });
      await response.body?.cancel();
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      why = failureText(error);
      if (count < tries) await setTimeout(pauseMs, undefined, { signal });
    }
  }
  return { url, why };
}
