// One object over time, through broken connections and restarts of the server: what a wait looks at.

import { isStatus, type KubeObject, type ObjectKey, type ResourceType } from "@vivarium/api";
import { ConnectionError, type Client } from "@vivarium/client";

const retryMs = 500;

/**
 * The object now, and again after each change; undefined when it does not exist. Ends when the signal aborts. A server that does not answer is
 * asked again until it does; `onTrouble` hears why.
 */
export async function* followObject<T extends KubeObject>(
  client: Client,
  target: { readonly type: ResourceType<T>; readonly key: ObjectKey },
  options: { readonly signal: AbortSignal; readonly onTrouble?: (error: Error) => void },
): AsyncGenerator<T | undefined> {
  const { type, key } = target;
  const { signal } = options;
  const selection = {
    ...(key.namespace === undefined ? {} : { namespace: key.namespace }),
    fieldSelector: `metadata.name=${key.name}`,
    signal,
  };
  while (!signal.aborted) {
    try {
      const list = await client.list(type, selection);
      yield list.items[0];
      for await (const event of client.watch(type, { ...selection, resourceVersion: list.resourceVersion })) {
        if (event.type === "BOOKMARK") continue;
        yield event.type === "DELETED" ? undefined : event.object;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionError) && !isStatus(error, "Expired", "Gone", "ServiceUnavailable")) throw error;
      options.onTrouble?.(error);
      await pause(retryMs, signal);
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
