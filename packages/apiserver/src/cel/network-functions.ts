// IP addresses and CIDR blocks: ip, isIP, cidr, isCIDR and what can be asked of them.

import { isIP, SocketAddress } from "node:net";
import type { Environment } from "@marcbachmann/cel-js";
import { isCidr, isIpAddress } from "../schema/ip-address.ts";

type Family = 4 | 6;

class Ip {
  readonly value: bigint;
  readonly family: Family;

  constructor(value: bigint, family: Family) {
    this.value = value;
    this.family = family;
  }

  isIn(network: Ip, prefixLength: number): boolean {
    const shift = BigInt(bitsOf(this.family) - prefixLength);
    return this.family === network.family && this.value >> shift === network.value >> shift;
  }
}

class Cidr {
  readonly address: Ip;
  readonly prefixLength: number;

  constructor(address: Ip, prefixLength: number) {
    this.address = address;
    this.prefixLength = prefixLength;
  }
}

const blocks = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linkLocal: ["169.254.0.0/16", "fe80::/10"],
  linkLocalMulticast: ["224.0.0.0/24", "ff02::/16"],
  multicast: ["224.0.0.0/4", "ff00::/8"],
  unspecified: ["0.0.0.0/32", "::/128"],
  broadcast: ["255.255.255.255/32"],
} as const;

export function registerNetwork(environment: Environment): void {
  const inBlock = (name: keyof typeof blocks) => {
    const cidrs = blocks[name].map(toCidr);
    return (ip: Ip): boolean => cidrs.some((cidr) => ip.isIn(cidr.address, cidr.prefixLength));
  };
  const isSpecial = (["loopback", "linkLocal", "multicast", "unspecified", "broadcast"] as const).map(inBlock);
  const contains = (cidr: Cidr, ip: Ip): boolean => ip.isIn(cidr.address, cidr.prefixLength);
  const containsBlock = (cidr: Cidr, inner: Cidr): boolean =>
    inner.prefixLength >= cidr.prefixLength && contains(cidr, inner.address);
  environment
    .registerType("net.IP", Ip)
    .registerType("net.CIDR", Cidr)
    .registerFunction("ip(string): net.IP", toIp)
    .registerFunction("isIP(string): bool", isIpAddress)
    .registerFunction(
      "isIP(string, int): bool",
      (text: string, family: bigint) => isIpAddress(text) && BigInt(isIP(text)) === family,
    )
    .registerFunction("net.IP.family(): int", (ip: Ip) => BigInt(ip.family))
    .registerFunction("net.IP.isUnspecified(): bool", inBlock("unspecified"))
    .registerFunction("net.IP.isLoopback(): bool", inBlock("loopback"))
    .registerFunction("net.IP.isLinkLocalMulticast(): bool", inBlock("linkLocalMulticast"))
    .registerFunction("net.IP.isLinkLocalUnicast(): bool", inBlock("linkLocal"))
    .registerFunction("net.IP.isGlobalUnicast(): bool", (ip: Ip) => !isSpecial.some((is) => is(ip)))
    .registerFunction("string(net.IP): string", show)
    .registerFunction("cidr(string): net.CIDR", toCidr)
    .registerFunction("isCIDR(string): bool", isCidr)
    .registerFunction("net.CIDR.containsIP(net.IP): bool", contains)
    .registerFunction("net.CIDR.containsIP(string): bool", (cidr: Cidr, text: string) => contains(cidr, toIp(text)))
    .registerFunction("net.CIDR.containsCIDR(net.CIDR): bool", containsBlock)
    .registerFunction("net.CIDR.containsCIDR(string): bool", (cidr: Cidr, text: string) =>
      containsBlock(cidr, toCidr(text)),
    )
    .registerFunction("net.CIDR.ip(): net.IP", (cidr: Cidr) => cidr.address)
    .registerFunction("net.CIDR.masked(): net.CIDR", masked)
    .registerFunction("net.CIDR.prefixLength(): int", (cidr: Cidr) => BigInt(cidr.prefixLength))
    .registerFunction("string(net.CIDR): string", (cidr: Cidr) => `${show(cidr.address)}/${cidr.prefixLength}`)
    .registerOperator("net.IP == net.IP", (a: Ip, b: Ip) => a.family === b.family && a.value === b.value)
    .registerOperator(
      "net.CIDR == net.CIDR",
      (a: Cidr, b: Cidr) =>
        a.prefixLength === b.prefixLength &&
        a.address.family === b.address.family &&
        a.address.value === b.address.value,
    );
}

function toIp(text: string): Ip {
  if (!isIpAddress(text))
    throw new TypeError(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
  return isIP(text) === 4 ? new Ip(toBits(text.split("."), 10, 8n), 4) : new Ip(toBits(expand(text), 16, 16n), 6);
}

function toBits(parts: readonly string[], radix: number, width: bigint): bigint {
  return parts.reduce((bits, part) => (bits << width) | BigInt(Number.parseInt(part, radix)), 0n);
}

/** The eight groups of an IPv6 address. */
function expand(text: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const hex = (high: string | undefined, low: string | undefined): string =>
    ((Number(high) << 8) | Number(low)).toString(16);
  const plain = dotted === null ? text : `${dotted[1] ?? ""}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}`;
  const [head = "", tail] = plain.split("::");
  const groups = (part: string | undefined): string[] => (part ?? "").split(":").filter((group) => group !== "");
  const [left, right] = [groups(head), groups(tail)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right];
}

function toCidr(text: string): Cidr {
  if (!isCidr(text))
    throw new TypeError(`network address parse error during conversion from string: ${JSON.stringify(text)}`);
  const [address = "", bits = ""] = text.split("/");
  return new Cidr(toIp(address), Number(bits));
}

function masked({ address, prefixLength }: Cidr): Cidr {
  const shift = BigInt(bitsOf(address.family) - prefixLength);
  return new Cidr(new Ip((address.value >> shift) << shift, address.family), prefixLength);
}

function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

function show({ value, family }: Ip): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  // Node shortens the longest run of zeros as RFC 5952 says.
  return new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address;
}
