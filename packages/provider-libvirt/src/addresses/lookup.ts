// Asks every source of guest addresses at once. One that fails or stays silent takes nothing from the others.

import { readFile } from "node:fs/promises";
import { DomainInterfaceAddressesSource } from "@vivarium/libvirt";
import type { Domain, Libvirt } from "@vivarium/libvirt";
import type { CallOptions, GuestAddress, VmIdentity } from "@vivarium/provider";
import { findOwnDomain } from "../domain/lookup.ts";
import type { DomainView } from "../domain/view.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import { chooseAddresses, newestLeases, parseProcNetArp } from "./choose.ts";
import type { HeardAddress } from "./choose.ts";

interface Query {
  readonly vm: VmIdentity;
  readonly macs: readonly string[];
  readonly options: CallOptions | undefined;
}

/** An agent answers within milliseconds, or hangs. */
const agentTimeoutMs = 2000;

export async function lookUpAddresses(host: LibvirtHost, query: Query): Promise<readonly GuestAddress[]> {
  const { vm, macs, options } = query;
  return host.attempt(
    `look up addresses of VM "${vm.name}"`,
    async (libvirt) => {
      const own = await findOwnDomain(libvirt, { vm, options, action: "look up addresses of" });
      // A guest that is off has none, whatever is still leased to it.
      if (own === undefined || own.power.power === "off" || own.power.power === "crashed") return [];
      const sources: [string, Promise<readonly HeardAddress[]>][] = [
        ["leases", heardFromLeases(libvirt, { view: own.view, macs, options })],
        ["ARP", heardFromArp(libvirt, { domain: own.domain, isLocal: host.isLocal, options })],
      ];
      if (own.view.agentConnected) sources.push(["agent", heardFromAgent(libvirt, { domain: own.domain, options })]);
      const answers = await Promise.all(
        sources.map(async ([name, asking]) => {
          try {
            return await asking;
          } catch (error) {
            options?.signal?.throwIfAborted();
            host.log.debug({ err: error, vm: vm.name, source: name }, "a source of addresses did not answer");
            return [];
          }
        }),
      );
      return chooseAddresses(answers.flat(), macs);
    },
    options,
  );
}

async function heardFromLeases(
  libvirt: Libvirt,
  { view, macs, options }: Pick<Query, "macs" | "options"> & { readonly view: DomainView },
): Promise<readonly HeardAddress[]> {
  const nics = view.nics.filter((nic) => nic.network !== undefined && macs.includes(nic.mac));
  const found = await Promise.all(
    nics.map(async ({ network: name = "", mac }) => {
      const network = await libvirt.networkLookupByName(name, options);
      const leases = await libvirt.networkGetDhcpLeases(network, { ...options, mac });
      return newestLeases(leases).map((lease): HeardAddress => ({ ip: lease.address, mac, source: "lease" }));
    }),
  );
  return found.flat();
}

async function heardFromAgent(
  libvirt: Libvirt,
  { domain, options }: { readonly domain: Domain; readonly options: CallOptions | undefined },
): Promise<readonly HeardAddress[]> {
  const interfaces = await libvirt.domainInterfaceAddresses(domain, DomainInterfaceAddressesSource.AGENT, {
    ...options,
    timeoutMs: agentTimeoutMs,
  });
  return interfaces.flatMap(({ mac, addresses }) =>
    addresses.map(({ address }): HeardAddress => ({ ip: address, mac, source: "agent" })),
  );
}

async function heardFromArp(
  libvirt: Libvirt,
  query: { readonly domain: Domain; readonly isLocal: boolean; readonly options: CallOptions | undefined },
): Promise<readonly HeardAddress[]> {
  try {
    const source = DomainInterfaceAddressesSource.ARP;
    const interfaces = await libvirt.domainInterfaceAddresses(query.domain, source, query.options);
    return interfaces.flatMap(({ mac, addresses }) =>
      addresses.map(({ address }): HeardAddress => ({ ip: address, mac, source: "arp" })),
    );
  } catch (error) {
    // libvirt 9.0 misreads the neighbour table of newer kernels; here the same table can be read directly.
    if (!query.isLocal) throw error;
    query.options?.signal?.throwIfAborted();
    return parseProcNetArp(await readFile("/proc/net/arp", "utf8"));
  }
}
