// Gives DHCP leases back to the dnsmasq of a libvirt network, so that its range does not fill up with leases of deleted VMs. libvirt has
// no call for it: it is dnsmasq's own tool, on the host itself.

import { execFile } from "node:child_process";
import { isIPv4 } from "node:net";
import { promisify } from "node:util";
import { ListNetworksFlags } from "@vivarium/libvirt";
import type { DhcpLease, Libvirt } from "@vivarium/libvirt";
import type { CallOptions } from "@vivarium/provider";
import type { LibvirtHost } from "../libvirt-host.ts";

const run = promisify(execFile);
const toolTimeoutMs = 5000;
/** dnsmasq writes the list of leases within milliseconds of hearing of a change. */
const settleMs = 50;
const longestTries = 20;

export async function releaseLeases(
  host: LibvirtHost,
  { macs, options }: { readonly macs: readonly string[]; readonly options: CallOptions | undefined },
): Promise<void> {
  if (macs.length === 0) return;
  // A release is a datagram that nobody answers: whether it was heard is seen when libvirt no longer lists the lease.
  for (let tries = 0; tries < longestTries; tries += 1) {
    const leases = await host.attempt(
      "look up DHCP leases",
      (libvirt) => leasesOf(libvirt, { macs, options }),
      options,
    );
    if (leases.length === 0) return;
    if (!host.isLocal) {
      host.log.info({ macs }, "DHCP leases of a remote host cannot be given back; they expire by themselves");
      return;
    }
    for (const lease of leases) await releaseOne(host, { lease, options });
    await host.clock.delay(settleMs, options);
  }
  host.log.info({ macs }, "DHCP leases were given back but are still listed; they expire by themselves");
}

async function leasesOf(
  libvirt: Libvirt,
  { macs, options }: { readonly macs: readonly string[]; readonly options: CallOptions | undefined },
): Promise<readonly DhcpLease[]> {
  const networks = await libvirt.connectListAllNetworks({ ...options, flags: ListNetworksFlags.ACTIVE });
  const found = await Promise.all(
    networks.flatMap((network) =>
      macs.map(async (mac) => {
        try {
          return await libvirt.networkGetDhcpLeases(network, { ...options, mac });
        } catch (error) {
          options?.signal?.throwIfAborted();
          // Networks without DHCP of their own (bridges, macvtap) refuse to be asked.
          if (libvirt.state !== "connected") throw error;
          return [];
        }
      }),
    ),
  );
  // dhcp_release speaks DHCPv4 only.
  return found.flat().filter((lease) => isIPv4(lease.address));
}

async function releaseOne(
  host: LibvirtHost,
  { lease, options }: { readonly lease: DhcpLease; readonly options: CallOptions | undefined },
): Promise<void> {
  const { interface: bridge, address: ip, mac = "" } = lease;
  try {
    await run("dhcp_release", [bridge, ip, mac], {
      timeout: toolTimeoutMs,
      ...(options?.signal === undefined ? {} : { signal: options.signal }),
    });
    host.log.debug({ bridge, ip, mac }, "gave a DHCP lease back");
  } catch (error) {
    options?.signal?.throwIfAborted();
    host.log.info(
      { bridge, ip, mac, err: error },
      "a DHCP lease was not given back and expires by itself (dhcp_release of package dnsmasq-utils, as root)",
    );
  }
}
