// cloud-init's network-config version 2, from what is known of a VM's interfaces.
// https://cloudinit.readthedocs.io/en/22.4.2/topics/network-config-format-v2.html
//
// Interfaces are found by MAC address and renamed to eth0, eth1, …. Without `set-name`, cloud-init 22.4's networkd
// renderer writes `Name=<key>` beside `MACAddress=` into its [Match] section, which then matches nothing, as nobody
// can know the name that the guest's kernel will give (enp1s0, ens3, …). With it, every renderer does the right thing.

export interface SeedNic {
  readonly macAddress: string;
  /** Ask for an IPv4 address by DHCP. */
  readonly dhcp4?: boolean;
  readonly dhcp6?: boolean;
  /** Static addresses with prefix: `192.0.2.10/24`, `2001:db8::10/64`. */
  readonly addresses?: readonly string[];
  readonly gateway4?: string;
  readonly gateway6?: string;
  readonly routes?: readonly SeedRoute[];
  readonly nameservers?: { readonly addresses: readonly string[]; readonly search?: readonly string[] };
  readonly mtu?: number;
}

export interface SeedRoute {
  /** A network with prefix, or `0.0.0.0/0`. */
  readonly to: string;
  readonly via: string;
  readonly metric?: number;
}

export interface NetworkConfig {
  readonly version: 2;
  readonly ethernets: Readonly<Record<string, EthernetConfig>>;
}

export interface EthernetConfig extends Omit<SeedNic, "macAddress"> {
  readonly match: { readonly macaddress: string };
  readonly "set-name": string;
  readonly dhcp4: boolean;
  readonly "dhcp-identifier"?: "mac";
}

/** The n-th interface becomes `eth<n>` in the guest. */
export function networkConfigFor(nics: readonly SeedNic[]): NetworkConfig {
  const ethernets: Record<string, EthernetConfig> = {};
  for (const [index, { macAddress, ...rest }] of nics.entries()) {
    const name = `eth${index}`;
    // cloud-init compares addresses as the kernel prints them, in lower case.
    const macaddress = macAddress.toLowerCase().replaceAll("-", ":");
    const { dhcp4 = false } = rest;
    const identifier = dhcp4 ? ({ "dhcp-identifier": "mac" } as const) : {};
    ethernets[name] = { match: { macaddress }, "set-name": name, ...rest, dhcp4, ...identifier };
  }
  return { version: 2, ethernets };
}
