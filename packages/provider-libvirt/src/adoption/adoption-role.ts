// Adoption: domains that were there before are listed, marked as a VM's, let go of, and only on demand destroyed. The mark is an element
// of the domain's metadata, written by a call that touches nothing else.

import { DomainMetadataType, DomainModificationImpact, isLibvirtError, LibvirtError } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { AdoptableDomain, AdoptionRole, CallOptions, VmIdentity } from "@vivarium/provider";
import { bareMark, markNamespace, markPrefix } from "../domain/identity.ts";
import { findDomain, findOwnDomain } from "../domain/lookup.ts";
import { powerOf } from "../domain/power.ts";
import { undefineDomain } from "../domain/undefine.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { VolumeUsage } from "../storage/usage.ts";
import { renderXml } from "../xml/element.ts";
import { adoptableOf, diskTargetsIn } from "./adoptable.ts";
import { destroyVolumes, volumesToDestroy } from "./destroy-volumes.ts";

interface Subject {
  readonly vm: VmIdentity;
  readonly options: CallOptions | undefined;
}

export function createAdoption({
  host,
  usage,
}: {
  readonly host: LibvirtHost;
  readonly usage: VolumeUsage;
}): AdoptionRole {
  return {
    list: (options) => host.attempt("list domains", (libvirt) => list(libvirt, options), options),

    bind: (vm, options) => host.attempt(`adopt VM "${vm.name}"`, (libvirt) => bind(libvirt, { vm, options }), options),

    release: (vm, options) =>
      host.attempt(
        `release VM "${vm.name}"`,
        async (libvirt) => {
          const found = await findDomain(libvirt, { vm, options });
          if (found.kind === "own") await writeMark(libvirt, { domain: found.domain, mark: undefined, options });
        },
        options,
      ),

    destroy: (vm, options) =>
      host.attempt(
        `destroy VM "${vm.name}"`,
        async (libvirt) => {
          const own = await findOwnDomain(libvirt, { vm, options, action: "destroy" });
          if (own === undefined) return;
          const volumes = await volumesToDestroy(libvirt, { own, vm, usage, options });
          if (own.power.power !== "off") await stop(libvirt, own.domain, options);
          // Before the domain goes: it alone knows which they are, should this be cut short here.
          await destroyVolumes(libvirt, { volumes, options });
          await undefineDomain(libvirt, { domain: own.domain, options });
          usage.forget();
        },
        options,
      ),
  };
}

async function list(libvirt: Libvirt, options: CallOptions | undefined): Promise<readonly AdoptableDomain[]> {
  const domains = await libvirt.connectListAllDomains(options);
  const looked = await Promise.all(domains.map((domain) => unlessGone(look(libvirt, { domain, options }))));
  return looked.filter((each) => each !== undefined);
}

async function look(
  libvirt: Libvirt,
  { domain, options }: { readonly domain: Domain; readonly options: CallOptions | undefined },
): Promise<AdoptableDomain> {
  const [xml, state, isPersistent] = await Promise.all([
    libvirt.domainGetXmlDesc(domain, options),
    libvirt.domainGetState(domain, options),
    libvirt.domainIsPersistent(domain, options),
  ]);
  const sizes = await Promise.all(diskTargetsIn(xml).map((disk) => sizeOf(libvirt, { domain, disk, options })));
  return adoptableOf(xml, { power: powerOf(state), isPersistent, sizes: new Map(sizes.flat()) });
}

/** A disk whose file is away, or on a network that does not answer, has no size to tell. */
async function sizeOf(
  libvirt: Libvirt,
  {
    domain,
    disk,
    options,
  }: { readonly domain: Domain; readonly disk: string; readonly options: CallOptions | undefined },
): Promise<readonly (readonly [string, number])[]> {
  try {
    return [[disk, (await libvirt.domainGetBlockInfo(domain, disk, options)).capacityBytes]];
  } catch (error) {
    if (error instanceof LibvirtError) return [];
    throw error;
  }
}

async function bind(libvirt: Libvirt, { vm, options }: Subject): Promise<void> {
  const found = await findDomain(libvirt, { vm, options });
  switch (found.kind) {
    case "absent":
      throw new ProviderError("NotFound", `Cannot adopt VM "${vm.name}": there is no domain ${vm.adoptedUuid ?? ""}`);
    case "foreign": {
      const message = `Cannot adopt VM "${vm.name}": domain "${found.domain.name}" is not free: ${found.reason}`;
      throw new ProviderError("Conflict", message);
    }
    case "own":
      return;
    case "unbound":
      await writeMark(libvirt, { domain: found.domain, mark: renderXml(bareMark(vm)), options });
  }
}

/** Into what runs and into what is kept, where there are both. Without `mark` it is removed. */
async function writeMark(
  libvirt: Libvirt,
  to: { readonly domain: Domain; readonly mark: string | undefined; readonly options: CallOptions | undefined },
): Promise<void> {
  const { domain, mark, options } = to;
  const [isOn, isPersistent] = await Promise.all([
    libvirt.domainIsActive(domain, options),
    libvirt.domainIsPersistent(domain, options),
  ]);
  const { LIVE, CONFIG } = DomainModificationImpact;
  await libvirt.domainSetMetadata(
    domain,
    {
      type: DomainMetadataType.ELEMENT,
      ...(mark === undefined ? {} : { metadata: mark }),
      key: markPrefix,
      uri: markNamespace,
    },
    { ...options, flags: (isOn ? LIVE : 0) | (isPersistent ? CONFIG : 0) },
  );
}

async function stop(libvirt: Libvirt, domain: Domain, options: CallOptions | undefined): Promise<void> {
  try {
    await libvirt.domainDestroyFlags(domain, options);
  } catch (error) {
    // Went off by itself meanwhile.
    if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
  }
}

/** Domains come and go while the host is looked at. */
async function unlessGone<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (isLibvirtError(error, "NO_DOMAIN")) return undefined;
    throw error;
  }
}
