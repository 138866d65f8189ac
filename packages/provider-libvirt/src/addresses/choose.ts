// Which of the addresses that were heard of are a guest's own. Pure.

import { BlockList, isIPv6 } from "node:net";
import type { GuestAddress } from "@vivarium/provider";

const unusable = new BlockList();
unusable.addSubnet("127.0.0.0", 8);
unusable.addSubnet("169.254.0.0", 16);
unusable.addAddress("0.0.0.0");
unusable.addAddress("::1", "ipv6");
unusable.addSubnet("fe80::", 10, "ipv6");

/** Of one interface, from one source. */
export interface HeardAddress {
  readonly ip: string;
  readonly mac: string | undefined;
  readonly source: GuestAddress["source"];
}

const trust: readonly GuestAddress["source"][] = ["lease", "agent", "arp"];

/** The usable addresses of these MACs, each once, by its most trusted source, in the order of the MACs. */
export function chooseAddresses(heard: readonly HeardAddress[], macs: readonly string[]): readonly GuestAddress[] {
  const byIp = new Map<string, GuestAddress>();
  for (const source of trust) {
    for (const mac of macs.map((each) => each.toLowerCase())) {
      for (const { ip } of heard.filter((one) => one.source === source && one.mac?.toLowerCase() === mac)) {
        if (!isUnusable(ip) && !byIp.has(ip)) byIp.set(ip, { ip, mac, source });
      }
    }
  }
  return [...byIp.values()];
}

function isUnusable(ip: string): boolean {
  return unusable.check(ip, isIPv6(ip) ? "ipv6" : "ipv4");
}

export interface Lease {
  readonly address: string;
  /** IpAddressType. */
  readonly type: number;
  readonly expiryTimeSeconds: number;
}

/** dnsmasq keeps a MAC's old leases until they expire: of each IP version only the newest is the guest's. */
export function newestLeases<L extends Lease>(leases: readonly L[]): readonly L[] {
  const newest = new Map<number, L>();
  for (const lease of leases) {
    const other = newest.get(lease.type);
    // 0: never expires.
    const isNewer = (a: L, b: L): boolean =>
      (a.expiryTimeSeconds || Number.POSITIVE_INFINITY) > (b.expiryTimeSeconds || Number.POSITIVE_INFINITY);
    if (other === undefined || isNewer(lease, other)) newest.set(lease.type, lease);
  }
  return [...newest.values()];
}

/** Complete entries of Linux' /proc/net/arp. */
export function parseProcNetArp(text: string): readonly HeardAddress[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line): HeardAddress[] => {
      const [ip, , flags, mac] = line.trim().split(/\s+/);
      // ATF_COM, <linux/if_arp.h>.
      const isComplete = (Number(flags) & 0x2) !== 0;
      return ip !== undefined && mac !== undefined && isComplete ? [{ ip, mac, source: "arp" }] : [];
    });
}
