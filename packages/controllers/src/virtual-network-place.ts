// Where a VirtualNetwork is: on which Provider, and under which name there. Pure.

import type { Provider, VirtualNetwork } from "@vivarium/api";
import { domainNameOf } from "@vivarium/provider";
import { effectiveProvider } from "./effective-provider.ts";
import type { ProviderKey } from "./provider-registry.ts";

/** What the controller must remember about a network across restarts. */
export function networkRecordOf({ status }: VirtualNetwork): { readonly madeOn?: string } {
  const madeOn = status?.record?.["madeOn"];
  return typeof madeOn === "string" ? { madeOn } : {};
}

/** Where it was made, else the Provider named, else the only one of its namespace. */
export function providerOfNetwork(network: VirtualNetwork, objects: readonly Provider[]): ProviderKey | undefined {
  const [namespace, name] = networkRecordOf(network).madeOn?.split("/") ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  const effective = effectiveProvider(network, objects);
  return effective.kind === "found" ? effective.key : undefined;
}

/** The network's name on the hypervisor. What was made is ours, whatever becomes of the spec. */
export function networkNameOf(network: VirtualNetwork): string {
  const { uid = "", namespace = "default", name } = network.metadata;
  const isMade = networkRecordOf(network).madeOn !== undefined;
  return (isMade ? undefined : network.spec.adopt?.name) ?? domainNameOf({ uid, namespace, name });
}
