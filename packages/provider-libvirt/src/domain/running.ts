// A domain of ours that runs: what it has now, and what it will have at its next start. What is plugged in or out is changed in both.

import { DomainXmlFlags } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";
import { requireRunningDomain } from "./lookup.ts";
import { parseDomainXml } from "./view.ts";
import type { DomainView } from "./view.ts";

export interface RunningDomain {
  readonly libvirt: Libvirt;
  readonly domain: Domain;
  readonly live: DomainView;
  readonly config: DomainView;
  readonly configXml: string;
}

/** Conflict when it is off. `action` completes "Cannot … VM". */
export async function onRunning<T>(
  vm: VmIdentity,
  {
    host,
    action,
    options,
  }: { readonly host: LibvirtHost; readonly action: string; readonly options: CallOptions | undefined },
  act: (running: RunningDomain) => Promise<T>,
): Promise<T> {
  return host.attempt(
    `${action} VM "${vm.name}"`,
    async (libvirt) => {
      const own = await requireRunningDomain(libvirt, { vm, options, action });
      const configXml = await libvirt.domainGetXmlDesc(own.domain, { ...options, flags: DomainXmlFlags.INACTIVE });
      return act({ libvirt, domain: own.domain, live: own.view, config: parseDomainXml(configXml), configXml });
    },
    options,
  );
}
