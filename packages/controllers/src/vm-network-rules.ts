// What a VMNetworkAttachment says about the traffic of machines: firewall, anti-spoofing, limits. Read once for the attachment's own
// verdict and for each machine that is plugged in. Pure.

import { isIP } from "node:net";
import type { VirtualMachineSpec, VMNetworkAttachmentSpec } from "@vivarium/api";
import type { Bandwidth, NicFilter, NicLimits, NicRule } from "@vivarium/provider";
import { readAmount } from "./read-amount.ts";

type Firewall = NonNullable<NonNullable<VMNetworkAttachmentSpec["security"]>["firewall"]>;
type DeclaredRule = NonNullable<Firewall["rules"]>[number];
type DeclaredLimits = NonNullable<NonNullable<VirtualMachineSpec["networks"]>[number]["limits"]>;

/** A problem of the spec: which field, and why. */
export type Complain = (message: string) => void;

/** The filter of a machine's interface; undefined where everything may pass. `addresses`: those that it has, without prefix length. */
export function filterOf(
  { network, security }: VMNetworkAttachmentSpec,
  nic: { readonly addresses: readonly string[]; readonly usesDhcp: boolean },
): NicFilter | undefined {
  const firewall = security?.firewall?.enabled === true ? security.firewall : undefined;
  const base = network.libvirt?.filterRef;
  const isGuarded = security?.antiSpoofing === true;
  if (firewall === undefined && base === undefined && !isGuarded) return undefined;
  return {
    rules: sorted(firewall?.rules ?? []).flatMap(rulesOf),
    otherwise: actions[firewall?.defaultPolicy ?? "ACCEPT"],
    allowsDhcp: nic.usesDhcp,
    ...(isGuarded ? { antiSpoofing: { addresses: nic.addresses.toSorted() } } : {}),
    ...(base === undefined ? {} : { base: { name: base.filter, parameters: base.parameters ?? {} } }),
  };
}

export function checkFirewall({ security }: VMNetworkAttachmentSpec, complain: Complain): void {
  for (const rule of security?.firewall?.rules ?? []) {
    const at = `spec.security.firewall.rules: rule "${rule.name}"`;
    for (const [field, cidr] of Object.entries({
      sourceCIDR: rule.sourceCIDR,
      destinationCIDR: rule.destinationCIDR,
    })) {
      if (cidr !== undefined && !isNetwork(cidr)) {
        complain(`${at} has ${field} "${cidr}", expected an address or a network such as 192.0.2.0/24`);
      }
    }
    const families = new Set(
      [rule.sourceCIDR, rule.destinationCIDR].flatMap((cidr) => (cidr === undefined ? [] : [cidr.includes(":")])),
    );
    if (families.size > 1) complain(`${at} has a sender of IPv4 and a receiver of IPv6, or the other way round`);
    const { ports, protocol } = rule;
    if (ports === undefined) continue;
    if (protocol !== "tcp" && protocol !== "udp") complain(`${at} has ports, which need protocol tcp or udp`);
    if ((ports.end ?? ports.start) < ports.start) complain(`${at} ends its ports before they start`);
  }
}

/** What the machine's interface says wins, way by way, over the network's `qos`. */
export function limitsOf(
  qos: VMNetworkAttachmentSpec["qos"],
  own: DeclaredLimits | undefined,
  complain: Complain,
): NicLimits | undefined {
  const inbound =
    ownBandwidth(own?.ingress, { way: "ingress", complain }) ??
    bandwidthOf({ average: qos?.ingressLimit, peak: qos?.ingressPeak, burst: qos?.ingressBurst });
  const outbound =
    ownBandwidth(own?.egress, { way: "egress", complain }) ??
    bandwidthOf({ average: qos?.egressLimit, peak: qos?.egressPeak, burst: qos?.egressBurst });
  if (inbound === undefined && outbound === undefined) return undefined;
  return { ...(inbound === undefined ? {} : { inbound }), ...(outbound === undefined ? {} : { outbound }) };
}

export function checkQos({ qos }: VMNetworkAttachmentSpec, complain: Complain): void {
  for (const way of ["ingress", "egress"] as const) {
    const average = qos?.[`${way}Limit`];
    const peak = qos?.[`${way}Peak`];
    if (average === undefined && (peak ?? qos?.[`${way}Burst`]) !== undefined) {
      complain(`spec.qos has ${way}Peak or ${way}Burst without ${way}Limit`);
    }
    if (peak !== undefined && peak < (average ?? 0)) complain(`spec.qos.${way}Peak is less than ${way}Limit`);
  }
}

function ownBandwidth(
  declared: DeclaredLimits["ingress"],
  { way, complain }: { readonly way: string; readonly complain: Complain },
): Bandwidth | undefined {
  if (declared === undefined) return undefined;
  const at = `limits.${way}`;
  const read = (field: "average" | "peak" | "burst"): number | undefined => {
    const text = declared[field];
    if (text === undefined) return undefined;
    const amount = readAmount(text, { field: `${at}.${field}` });
    if (amount.ok) return amount.value;
    complain(amount.message);
    return undefined;
  };
  const found = { average: read("average"), peak: read("peak"), burst: read("burst") };
  if ((found.peak ?? Number.POSITIVE_INFINITY) < (found.average ?? 0)) complain(`${at}.peak is less than average`);
  return bandwidthOf(found);
}

/** From bits per second and bytes to what hypervisors count in, rounded up. */
function bandwidthOf(from: {
  readonly average: number | undefined;
  readonly peak: number | undefined;
  readonly burst: number | undefined;
}): Bandwidth | undefined {
  if (from.average === undefined) return undefined;
  return {
    averageKBPerSecond: Math.ceil(from.average / 8000),
    ...(from.peak === undefined ? {} : { peakKBPerSecond: Math.ceil(from.peak / 8000) }),
    ...(from.burst === undefined ? {} : { burstKiB: Math.ceil(from.burst / 1024) }),
  };
}

const actions = { ACCEPT: "accept", DROP: "drop", REJECT: "reject" } as const;

/** Those without a priority come last, in the order in which they are written. */
function sorted(rules: readonly DeclaredRule[]): readonly DeclaredRule[] {
  return rules.toSorted((a, b) => (a.priority ?? 1001) - (b.priority ?? 1001));
}

function rulesOf(rule: DeclaredRule): readonly NicRule[] {
  const directions = rule.direction === "inout" ? (["in", "out"] as const) : [rule.direction];
  return directions.map((direction) => ({
    action: actions[rule.action],
    direction,
    protocol: rule.protocol ?? "all",
    ...(rule.sourceCIDR === undefined ? {} : { source: rule.sourceCIDR }),
    ...(rule.destinationCIDR === undefined ? {} : { destination: rule.destinationCIDR }),
    ...(rule.ports === undefined
      ? {}
      : { ports: { start: rule.ports.start, end: rule.ports.end ?? rule.ports.start } }),
  }));
}

function isNetwork(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}
