// Which of the addresses that a hypervisor knows are a VM's, the most useful first. Pure.

import type { GuestAddress } from "@vivarium/provider";

const sources: readonly GuestAddress["source"][] = ["lease", "agent", "arp"];

/** Without loopback and link-local addresses and those of interfaces inside the guest (bridges, tunnels); each address once. */
export function usefulAddresses(found: readonly GuestAddress[], macs: readonly string[]): readonly GuestAddress[] {
  const rank = ({ ip, mac, source }: GuestAddress): readonly number[] => [
    ip.includes(":") ? 1 : 0,
    mac === undefined ? macs.length : macs.indexOf(mac.toLowerCase()),
    sources.indexOf(source),
  ];
  const sorted = found
    .filter(({ ip, mac }) => isReachable(ip) && (mac === undefined || macs.includes(mac.toLowerCase())))
    .sort((a, b) => compare(rank(a), rank(b)) || (a.ip < b.ip ? -1 : 1));
  return sorted.filter((each, index) => sorted.findIndex(({ ip }) => ip === each.ip) === index);
}

/** How an answer is told from others when it comes again. */
export function answerKey({ source, ip }: GuestAddress): string {
  return `${source} ${ip}`;
}

function isReachable(ip: string): boolean {
  return !/^(127\.|169\.254\.|0\.0\.0\.0$|::1?$|fe[89ab][0-9a-f]:)/i.test(ip);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
