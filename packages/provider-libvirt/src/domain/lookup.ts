// Finds a VM's domain and judges whether it is ours. Every act on a domain goes through here, so that a foreign one is never touched.

import { isLibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { domainNameOf, ProviderError } from "@vivarium/provider";
import type { CallOptions, VmIdentity } from "@vivarium/provider";
import { foreignReason } from "./identity.ts";
import { powerOf } from "./power.ts";
import type { Power } from "./power.ts";
import { parseDomainXml } from "./view.ts";
import type { DomainView } from "./view.ts";

export interface OwnDomain {
  readonly kind: "own";
  readonly domain: Domain;
  readonly view: DomainView;
  readonly power: Power;
}

export type FoundDomain =
  | { readonly kind: "absent" }
  | { readonly kind: "foreign"; readonly domain: Domain; readonly reason: string }
  /** To be adopted, and nobody's yet. */
  | { readonly kind: "unbound"; readonly domain: Domain }
  | OwnDomain;

interface Lookup {
  readonly vm: VmIdentity;
  readonly options: CallOptions | undefined;
}

/** A domain that goes away while it is looked at is looked for again: it may be absent or a new one. */
export async function findDomain(libvirt: Libvirt, lookup: Lookup): Promise<FoundDomain> {
  try {
    return await findOnce(libvirt, lookup);
  } catch (error) {
    if (!isLibvirtError(error, "NO_DOMAIN")) throw error;
    return findOnce(libvirt, lookup);
  }
}

async function findOnce(libvirt: Libvirt, { vm, options }: Lookup): Promise<FoundDomain> {
  const domain =
    (await unlessAbsent(libvirt.domainLookupByUuid(vm.adoptedUuid ?? vm.uid, options))) ??
    // An adopted domain keeps the name that it has.
    (vm.adoptedUuid === undefined
      ? await unlessAbsent(libvirt.domainLookupByName(domainNameOf(vm), options))
      : undefined);
  if (domain === undefined) return { kind: "absent" };
  const [state, xml] = await Promise.all([
    libvirt.domainGetState(domain, options),
    libvirt.domainGetXmlDesc(domain, options),
  ]);
  const view = parseDomainXml(xml);
  if (vm.adoptedUuid !== undefined && view.mark === undefined) return { kind: "unbound", domain };
  const reason = foreignReason(vm, view);
  if (reason !== undefined) return { kind: "foreign", domain, reason };
  return { kind: "own", domain, view, power: powerOf(state) };
}

async function unlessAbsent(looking: Promise<Domain>): Promise<Domain | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (isLibvirtError(error, "NO_DOMAIN")) return undefined;
    throw error;
  }
}

/** The VM's own domain; undefined when absent; Conflict when foreign. `action` completes "Cannot … VM". */
export async function findOwnDomain(
  libvirt: Libvirt,
  lookup: Lookup & { readonly action: string },
): Promise<OwnDomain | undefined> {
  const found = await findDomain(libvirt, lookup);
  if (found.kind === "own") return found;
  if (found.kind === "absent") return undefined;
  const { action, vm } = lookup;
  if (found.kind === "unbound") {
    const message = `Cannot ${action} VM "${vm.name}": domain "${found.domain.name}" is not adopted`;
    throw new ProviderError("Conflict", message);
  }
  const message = `Cannot ${action} VM "${vm.name}": domain "${found.domain.name}" is not ours: ${found.reason}`;
  throw new ProviderError("Conflict", message);
}

export async function requireOwnDomain(
  libvirt: Libvirt,
  lookup: Lookup & { readonly action: string },
): Promise<OwnDomain> {
  const found = await findOwnDomain(libvirt, lookup);
  if (found === undefined) {
    throw new ProviderError("NotFound", `Cannot ${lookup.action} VM "${lookup.vm.name}": it has no domain`);
  }
  return found;
}

/** For what only a running guest has; Conflict when it is off. */
export async function requireRunningDomain(
  libvirt: Libvirt,
  lookup: Lookup & { readonly action: string },
): Promise<OwnDomain> {
  const own = await requireOwnDomain(libvirt, lookup);
  const { power } = own.power;
  if (power !== "off" && power !== "crashed") return own;
  const message = `Cannot ${lookup.action} VM "${lookup.vm.name}": its domain is "${power}", expected "running"`;
  throw new ProviderError("Conflict", message);
}
