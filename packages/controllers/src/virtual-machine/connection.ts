// The connection to the host that a VM is on, or why there is none.

import { findCondition } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider } from "@vivarium/provider";
import { isOnlyHost } from "../vm-host.ts";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";

/** Throws Unavailable when there is none. */
export function openOf(context: VmContext, look: Look): OpenProvider {
  if (look.open === undefined) throw notOpen(context, look);
  return look.open;
}

export function notOpen({ objects }: VmContext, { providerKey: key, host }: Look): ProviderError {
  if (key === undefined) return new ProviderError("Unavailable", "No Provider can be told for this VM");
  const name = `${key.namespace}/${key.name}`;
  const provider = objects.providers.get(key);
  if (host !== undefined && provider !== undefined && !isOnlyHost(provider, host)) {
    const found = objects.hosts.get({ namespace: key.namespace, name: host });
    const state = findCondition(found?.status?.conditions, "Ready");
    const why = found === undefined ? "is none of its hosts" : `is not connected: ${state?.message ?? "not tried yet"}`;
    return new ProviderError("Unavailable", `Host "${host}" of Provider "${name}" ${why}`);
  }
  const ready = findCondition(provider?.status?.conditions, "Ready");
  const why = ready?.status === "False" ? `: ${ready.message}` : "";
  return new ProviderError("Unavailable", `Provider "${name}" is not connected${why}`);
}
