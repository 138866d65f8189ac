// The name a VM gets on a hypervisor: readable, and never shared by two VMs.

import type { VmIdentity } from "./provider.ts";

/** The VM's name in namespace `default`, else `<namespace>_<name>`: an underscore cannot be in a Kubernetes name. */
export function domainNameOf(vm: VmIdentity): string {
  return vm.namespace === "default" ? vm.name : `${vm.namespace}_${vm.name}`;
}
