// Looks at the state of all domains every few seconds, in one call that asks nothing of any QEMU. Events tell sooner; but a daemon drops those
// of a client that is slow to read, and none tells of its own loss.

import { DomainStatsTypes } from "@vivarium/libvirt";
import type { DomainStats } from "@vivarium/libvirt";
import type { LibvirtHost } from "./libvirt-host.ts";

const intervalMs = 5_000;

/** State and reason by the domain's UUID. */
export type DomainStates = ReadonlyMap<string, string>;

/** Gives the UUIDs of domains that have come, gone or changed since the look before, until the signal aborts. */
export async function watchStates(
  host: LibvirtHost,
  { onChange, signal }: { readonly onChange: (uuid: string) => void; readonly signal: AbortSignal },
): Promise<void> {
  let before: DomainStates | undefined;
  while (!signal.aborted) {
    try {
      const now = await look(host, signal);
      for (const uuid of before === undefined ? [] : changedBetween(before, now)) onChange(uuid);
      before = now;
    } catch (error) {
      // Whether the host can be reached is found out and told elsewhere; what changed meanwhile is seen at the next look.
      if (!signal.aborted) host.log.debug({ err: error }, "cannot look at the states of domains");
    }
    await host.clock.delay(intervalMs, { signal }).catch(() => undefined);
  }
}

function look(host: LibvirtHost, signal: AbortSignal): Promise<DomainStates> {
  return host.attempt("look at the states of domains", async (libvirt) => {
    await libvirt.ready({ signal });
    return statesOf(await libvirt.connectGetAllDomainStats({ signal, stats: DomainStatsTypes.STATE }));
  });
}

function statesOf(stats: readonly DomainStats[]): DomainStates {
  return new Map(
    stats.map(({ domain, values }) => [domain.uuid, `${values["state.state"]}/${values["state.reason"]}`]),
  );
}

/** Pure. */
export function changedBetween(before: DomainStates, now: DomainStates): readonly string[] {
  const gone = [...before.keys()].filter((uuid) => !now.has(uuid));
  const changed = [...now].filter(([uuid, state]) => before.get(uuid) !== state).map(([uuid]) => uuid);
  return [...gone, ...changed];
}
