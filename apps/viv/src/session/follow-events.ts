// Events of one namespace as they come, without those from before.

import { Event, isStatus } from "@vivarium/api";
import { ConnectionError, type Client } from "@vivarium/client";

export async function followEvents(
  client: Client,
  from: { readonly namespace: string; readonly since: Date },
  options: { readonly signal: AbortSignal; readonly onEvent: (event: Event) => void },
): Promise<void> {
  const { signal, onEvent } = options;
  const selection = { namespace: from.namespace, signal };
  // Event times are whole seconds.
  const sinceMs = Math.floor(from.since.getTime() / 1_000) * 1_000;
  const seen = new Map<string, number>();
  const show = (event: Event): void => {
    const uid = event.metadata.uid ?? event.metadata.name;
    const count = event.count ?? 1;
    if (seen.get(uid) === count) return;
    seen.set(uid, count);
    if (Date.parse(event.lastTimestamp ?? event.eventTime ?? "") >= sinceMs) onEvent(event);
  };
  while (!signal.aborted) {
    try {
      const list = await client.list(Event, selection);
      for (const event of list.items) show(event);
      for await (const change of client.watch(Event, { ...selection, resourceVersion: list.resourceVersion })) {
        if (change.type === "ADDED" || change.type === "MODIFIED") show(change.object);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionError) && !isStatus(error, "Expired", "Gone", "ServiceUnavailable")) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
