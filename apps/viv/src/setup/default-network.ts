// libvirt's network `default`: NAT with DHCP on virbr0. An existing one is started and made to start by itself, never redefined.

import { isLibvirtError, Libvirt, unixDialer, type Network } from "@vivarium/libvirt";

const name = "default";

const definition = `<network>
  <name>${name}</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='on' delay='0'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
</network>
`;

export type NetworkState = "active" | "inactive" | "not-autostarted" | "missing" | "unknown";

/** `unknown` when libvirt does not let us ask. */
export async function defaultNetworkState(options: { readonly signal: AbortSignal }): Promise<NetworkState> {
  try {
    return await withLibvirt(options.signal, async (libvirt) => {
      const network = await find(libvirt);
      if (network === undefined) return "missing";
      if (!(await libvirt.networkIsActive(network))) return "inactive";
      return (await libvirt.networkGetAutostart(network)) ? "active" : "not-autostarted";
    });
  } catch {
    options.signal.throwIfAborted();
    return "unknown";
  }
}

/** Gives what had to be done, in words; nothing when all was so already. */
export async function ensureDefaultNetwork(options: { readonly signal: AbortSignal }): Promise<readonly string[]> {
  return withLibvirt(options.signal, async (libvirt) => {
    const done: string[] = [];
    let network = await find(libvirt);
    if (network === undefined) {
      network = await libvirt.networkDefineXml(definition);
      done.push("defined");
    }
    if (!(await libvirt.networkIsActive(network))) {
      await libvirt.networkCreate(network);
      done.push("started");
    }
    if (!(await libvirt.networkGetAutostart(network))) {
      await libvirt.networkSetAutostart(network, true);
      done.push("set to start by itself");
    }
    return done;
  });
}

async function find(libvirt: Libvirt): Promise<Network | undefined> {
  try {
    return await libvirt.networkLookupByName(name);
  } catch (error) {
    if (isLibvirtError(error, "NO_NETWORK")) return undefined;
    throw error;
  }
}

async function withLibvirt<T>(signal: AbortSignal, use: (libvirt: Libvirt) => Promise<T>): Promise<T> {
  const libvirt = new Libvirt({ dial: unixDialer("/run/libvirt/libvirt-sock"), uri: "qemu:///system" });
  try {
    await libvirt.ready({ timeoutMs: 15_000, signal });
    return await use(libvirt);
  } finally {
    libvirt.close();
  }
}
