// Under which name a VirtualNetwork is known on its hypervisor. Pure.

import type { VirtualNetwork } from "@vivarium/api";
import { domainNameOf } from "@vivarium/provider";
import { madeOnOf } from "./placed/placed-object.ts";

/** The network's name on the hypervisor. What was made is ours, whatever becomes of the spec. */
export function networkNameOf(network: VirtualNetwork): string {
  const { uid = "", namespace = "default", name } = network.metadata;
  const isMade = madeOnOf(network) !== undefined;
  return (isMade ? undefined : network.spec.adopt?.name) ?? domainNameOf({ uid, namespace, name });
}
