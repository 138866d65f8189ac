// A watch of a kind that was changed or removed ends when it has given everything that came before.

import type { Watch } from "@vivarium/store";

const drainPollMs = 100;

/** `retired`: aborted with the revision of the change as its reason. Returns what takes this back. */
export function endWhenRetired(retired: AbortSignal, events: Watch, end: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    if (events.revision >= Number(retired.reason)) end();
    else timer = setTimeout(look, drainPollMs).unref();
  };
  retired.addEventListener("abort", look, { once: true });
  if (retired.aborted) look();
  return () => {
    clearTimeout(timer);
    retired.removeEventListener("abort", look);
  };
}
