// At which address QEMU of one host reaches another one. Of a host that is reached over the network, at the same one; of this machine, at the
// address that it has on the way to the other.

import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { LibvirtHost } from "../libvirt-host.ts";

export type Reach =
  | { readonly kind: "address"; readonly address: string }
  /** Both are this machine: by its own name, which libvirt tells. */
  | { readonly kind: "own-name" }
  | { readonly kind: "nowhere"; readonly why: string };

type Addressed = Pick<LibvirtHost, "migrationAddress">;

/** `hostname`: of the host to reach, as it calls itself. */
export async function reachOf({
  from,
  to,
  hostname,
}: {
  readonly from: Addressed;
  readonly to: Addressed;
  readonly hostname: string;
}): Promise<Reach> {
  if (to.migrationAddress !== undefined) return { kind: "address", address: to.migrationAddress };
  if (from.migrationAddress === undefined) return reachOfOwnName(hostname);
  const address = await ownAddressTowards(from.migrationAddress);
  if (address !== undefined && !isLoopback(address)) return { kind: "address", address };
  const why = `nothing says at which address this machine ("${hostname}") is reached from ${from.migrationAddress}`;
  return { kind: "nowhere", why };
}

async function reachOfOwnName(hostname: string): Promise<Reach> {
  // libvirt itself refuses such a name.
  if (hostname.startsWith("localhost")) return { kind: "nowhere", why: `its host name is "${hostname}"` };
  try {
    await lookup(hostname);
    return { kind: "own-name" };
  } catch {
    return { kind: "nowhere", why: `its host name "${hostname}" cannot be resolved` };
  }
}

/** By this machine's routes; nothing is sent. Undefined where there is no way. */
async function ownAddressTowards(host: string): Promise<string | undefined> {
  try {
    const { address, family } = isIP(host) === 0 ? await lookup(host) : { address: host, family: isIP(host) };
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.connect(anyPort, address, resolve);
      });
      return socket.address().address;
    } finally {
      socket.close();
    }
  } catch {
    return undefined;
  }
}

/** QEMU's first one for migrations; which one makes no difference. */
const anyPort = 49_152;

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
