// Removes a domain with all that libvirt keeps for it. It must be off; volumes stay.

import { DomainUndefineFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";

/** From all that belongs to a domain down to what the oldest servers know. */
const undefineFlags = [
  DomainUndefineFlags.NVRAM |
    DomainUndefineFlags.MANAGED_SAVE |
    DomainUndefineFlags.SNAPSHOTS_METADATA |
    DomainUndefineFlags.CHECKPOINTS_METADATA,
  DomainUndefineFlags.NVRAM | DomainUndefineFlags.MANAGED_SAVE | DomainUndefineFlags.SNAPSHOTS_METADATA,
  DomainUndefineFlags.MANAGED_SAVE | DomainUndefineFlags.SNAPSHOTS_METADATA,
];

export async function undefineDomain(
  libvirt: Libvirt,
  { domain, options }: { readonly domain: Domain; readonly options: CallOptions | undefined },
): Promise<void> {
  for (const [index, flags] of undefineFlags.entries()) {
    try {
      await libvirt.domainUndefineFlags(domain, { ...options, flags });
      return;
    } catch (error) {
      if (isLibvirtError(error, "NO_DOMAIN")) return;
      const isFlagUnknown = isLibvirtError(error, "INVALID_ARG", "ARGUMENT_UNSUPPORTED");
      if (!isFlagUnknown || index === undefineFlags.length - 1) throw error;
    }
  }
}
