// What the connection to a Provider can do about one kind of thing there.

import { formatKey } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider } from "@vivarium/provider";
import type { ProviderKey, ProviderRegistry } from "../provider-registry.ts";

const roleNames = { pools: "storage pools", networks: "networks" } as const;

/** Throws Unavailable where there is no connection, and Unsupported where the hypervisor has none of these. */
export function roleOf<R extends keyof typeof roleNames>(
  providers: ProviderRegistry,
  key: ProviderKey | undefined,
  role: R,
): NonNullable<OpenProvider[R]> {
  const name = key === undefined ? "" : formatKey(key);
  const open = key && providers.get(key);
  if (open === undefined) throw new ProviderError("Unavailable", `Provider "${name}" is not connected`);
  const found = open[role];
  if (found === undefined) throw new ProviderError("Unsupported", `Provider "${name}" has no ${roleNames[role]}`);
  return found;
}
