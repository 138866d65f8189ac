// libvirt's events as the contract has them.

import type { DomainEvent } from "@vivarium/libvirt";
import type { ProviderError, ProviderEvent } from "@vivarium/provider";
import type { LibvirtHost } from "./libvirt-host.ts";
import { mapError } from "./map-error.ts";
import { watchStates } from "./state-watch.ts";

export function subscribeToHost(
  host: LibvirtHost,
  { listener, signal }: { readonly listener: (event: ProviderEvent) => void; readonly signal: AbortSignal },
): void {
  const libvirt = host.connection;
  if (libvirt === undefined || signal.aborted) return;
  const stops = [
    libvirt.onState((event) => {
      if (event.kind === "connected") {
        listener({ kind: "connected" });
        return;
      }
      const error = mapError(event.error, `reach "${host.config.endpoint}"`) as ProviderError;
      listener({ kind: "disconnected", error });
    }),
    libvirt.onDomainEvent((event) => {
      const change = changeOf(event);
      if (change !== undefined) listener({ kind: "vm", uid: event.domain.uuid, change });
    }),
    libvirt.onStoragePoolEvent((event) => {
      const change = event.kind === "refresh" ? "refreshed" : event.event;
      listener({ kind: "pool", pool: event.pool.name, change });
    }),
    libvirt.onNetworkEvent(({ network, event }) => {
      listener({ kind: "network", network: network.name, change: event });
    }),
  ];
  const stop = (): void => {
    for (const each of stops) each();
  };
  signal.addEventListener("abort", stop, { once: true });
  void watchStates(host, { onChange: (uid) => listener({ kind: "vm", uid, change: "state-seen" }), signal });
  // Who subscribes after the connection was made is told of it, too.
  if (libvirt.state === "connected") queueMicrotask(() => !signal.aborted && listener({ kind: "connected" }));
}

/** Undefined for what is a figure and no change of state. */
export function changeOf(event: DomainEvent): string | undefined {
  switch (event.kind) {
    case "lifecycle":
      return event.event;
    case "agent":
      return event.isConnected ? "agent-connected" : "agent-disconnected";
    case "reboot":
      return "rebooted";
    case "device-added":
    case "device-removed":
    case "device-removal-failed":
    case "watchdog":
    case "io-error":
    case "job-completed":
    case "metadata":
      return event.kind;
    case "balloon":
    case "block-threshold":
    case "migration-iteration":
      return undefined;
    case "block-job":
      return `block-job-${event.status}`;
  }
}
