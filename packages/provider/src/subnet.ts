// Addresses and subnets, compared as numbers and never as text: `2001:DB8::1` and `2001:db8:0::1` are one address.

import { BlockList, isIP, SocketAddress } from "node:net";

type Family = "ipv4" | "ipv6";

function familyOf(ip: string): Family | undefined {
  const version = isIP(ip);
  return version === 0 ? undefined : version === 4 ? "ipv4" : "ipv6";
}

/** The one way to write it; undefined when it is no address. */
export function canonicalIp(ip: string): string | undefined {
  const family = familyOf(ip);
  return family === undefined ? undefined : new SocketAddress({ address: ip, family }).address;
}

/** An address with the length of its prefix, the address in its canonical form; undefined when it is none. */
export function canonicalSubnet(text: string): string | undefined {
  const subnet = parse(text);
  return subnet === undefined ? undefined : `${subnet.address}/${subnet.prefix}`;
}

/** Whether one has an address that the other has. False for what is no subnet. */
export function doSubnetsOverlap(a: string, b: string): boolean {
  const [left, right] = [parse(a), parse(b)];
  if (left === undefined || right === undefined || left.family !== right.family) return false;
  const [wide, narrow] = left.prefix <= right.prefix ? [left, right] : [right, left];
  return listOf(wide).check(narrow.address, narrow.family);
}

/** Whether the address before the slash can be a host's: in IPv4 the first and the last of a subnet are the subnet's own. */
export function isHostAddress(subnet: string): boolean {
  const parsed = parse(subnet);
  if (parsed === undefined) return false;
  if (parsed.family === "ipv6" || parsed.prefix > 30) return true;
  const size = 2 ** (32 - parsed.prefix);
  const offset = parsed.address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0) % size;
  return offset !== 0 && offset !== size - 1;
}

export function isInSubnet(ip: string, subnet: string): boolean {
  const parsed = parse(subnet);
  const family = familyOf(ip);
  return parsed !== undefined && parsed.family === family && listOf(parsed).check(ip, family);
}

/** Whether `ip` is one of the addresses from `start` to `end`; of one family. */
export function isInRange(ip: string, { start, end }: { readonly start: string; readonly end: string }): boolean {
  const family = familyOf(ip);
  if (family === undefined || familyOf(start) !== family || familyOf(end) !== family) return false;
  const list = new BlockList();
  try {
    list.addRange(start, end, family);
  } catch {
    // The end is before the start: nothing is between.
    return false;
  }
  return list.check(ip, family);
}

interface Subnet {
  readonly address: string;
  readonly prefix: number;
  readonly family: Family;
}

function parse(text: string): Subnet | undefined {
  const [ip = "", length = "", ...rest] = text.split("/");
  const family = familyOf(ip);
  const address = canonicalIp(ip);
  const prefix = Number(length);
  if (family === undefined || address === undefined || length === "" || rest.length > 0) return undefined;
  const isLength = Number.isInteger(prefix) && prefix >= 0 && prefix <= (family === "ipv4" ? 32 : 128);
  return isLength ? { address, prefix, family } : undefined;
}

function listOf({ address, prefix, family }: Subnet): BlockList {
  const list = new BlockList();
  list.addSubnet(address, prefix, family);
  return list;
}
