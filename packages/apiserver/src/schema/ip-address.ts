// IP addresses and CIDR blocks as Go's netip reads them: no leading zeros, no zone.

import { isIP } from "node:net";

export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%");
}

export function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (rest.length > 0 || !isIpAddress(address) || !/^(?:0|[1-9]\d{0,2})$/.test(bits)) return false;
  return Number(bits) <= (isIP(address) === 4 ? 32 : 128);
}
