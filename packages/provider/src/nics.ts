// What the controllers ask of a hypervisor about network interfaces of VMs: what one is, what of it changes while the VM runs, and the
// rules that its traffic obeys. An optional role of a Provider: without it interfaces are as they were defined until the VM is next off.

import { createHash } from "node:crypto";
import type { CallOptions, VmIdentity } from "./provider.ts";

/** A network of the hypervisor or a host bridge by name. */
export type NicSource = { readonly network: string } | { readonly bridge: string };

/** Known by its MAC address; `model` and `mtu` are for good: another value needs a power cycle. */
export interface NicDefinition extends NicTuning {
  /** Name within the VM's spec. */
  readonly name: string;
  readonly model: string;
  /** Lower case, colons. */
  readonly mac: string;
  readonly mtu?: number;
  /** That the guest is told to take, with prefix length; none where it asks by DHCP. */
  readonly addresses?: readonly string[];
}

/** What of an interface can be changed while the VM runs. */
export interface NicTuning {
  readonly source: NicSource;
  /** Packets are tagged on the wire; only on networks of Open vSwitch. */
  readonly vlan?: number;
  /** Cannot reach other isolated interfaces of the same bridge. */
  readonly isIsolated?: boolean;
  /** The cable is plugged in unless this is false. */
  readonly isLinkUp?: boolean;
  readonly limits?: NicLimits;
  readonly filter?: NicFilter;
}

/** Seen from the guest. */
export interface NicLimits {
  readonly inbound?: Bandwidth;
  readonly outbound?: Bandwidth;
}

/** A kB is 1000 bytes. */
export interface Bandwidth {
  readonly averageKBPerSecond: number;
  readonly peakKBPerSecond?: number;
  /** What may pass at peak speed, in KiB. */
  readonly burstKiB?: number;
}

/** Rules for the traffic of an interface. Answers to what was let through pass as well. */
export interface NicFilter {
  /** The first that matches decides. */
  readonly rules: readonly NicRule[];
  /** For what no rule matches. */
  readonly otherwise: NicRule["action"];
  /** DHCP passes, whatever the rules say. */
  readonly allowsDhcp: boolean;
  /** The guest sends from its own MAC address only, and from these IP addresses; it can do no more than ask by DHCP where there are none. */
  readonly antiSpoofing?: { readonly addresses: readonly string[] };
  /** A filter that the hypervisor has, obeyed first. */
  readonly base?: { readonly name: string; readonly parameters: Readonly<Record<string, string>> };
}

export interface NicRule {
  readonly action: "accept" | "drop" | "reject";
  /** Seen from the guest. */
  readonly direction: "in" | "out";
  readonly protocol: "tcp" | "udp" | "icmp" | "all";
  /** IPv4 or IPv6 networks with prefix length; any where absent. */
  readonly source?: string;
  readonly destination?: string;
  /** Of the receiver. */
  readonly ports?: { readonly start: number; readonly end: number };
}

/** An interface that a domain has now. */
export interface NicObservation {
  /** As in the definition; absent where somebody else put it there, or an older release of ours. */
  readonly name?: string;
  readonly mac: string;
  /** The host's end, while the VM runs. */
  readonly device?: string;
  /** Absent for kinds of sources that Vivarium does not make. */
  readonly source?: NicSource;
  readonly vlan?: number;
  readonly isIsolated: boolean;
  readonly isLinkUp: boolean;
  readonly limits: NicLimits;
  /** `nicFilterKey` of the rules that it obeys; `unknown` where they are not ours; absent where there are none. */
  readonly filter?: string;
}

/** Who has a MAC address on the hypervisor. */
export interface MacUse {
  readonly mac: string;
  /** Name and UUID of the domain. */
  readonly domain: string;
  readonly uid: string;
}

/** Changes to the interfaces of a VM that runs; what is changed stays so over a restart of the guest. */
export interface NicRole {
  /** Every MAC address of every domain, ours or not, running or not. */
  listMacs(options?: CallOptions): Promise<readonly MacUse[]>;
  /**
   * Plugs an interface in. Success when there is one of this MAC address. Conflict when the VM is off, InvalidSpec when there is no such
   * network, Unsupported when there is no free slot or the host lacks what is asked for, found before anything is touched.
   */
  attachNic(vm: VmIdentity, nic: NicDefinition, options?: CallOptions): Promise<void>;
  /** Asks the guest to let go of an interface and returns at once; it is gone when `observe` does not show it. Success when it is not there. */
  requestNicDetach(vm: VmIdentity, mac: string, options?: CallOptions): Promise<void>;
  /** Makes it as defined in all that `NicTuning` has; what is absent is lifted. NotFound when it is not there; Unsupported as in `attachNic`. */
  tuneNic(vm: VmIdentity, nic: NicDefinition, options?: CallOptions): Promise<void>;
}

/** Grows when the same filter becomes other rules on the hypervisor. */
const filterVersion = 1;

/** Names the rules by what they say, so that a filter that was changed is another one. */
export function nicFilterKey(filter: NicFilter): string {
  const { rules, otherwise, allowsDhcp, antiSpoofing, base } = filter;
  const said = [
    filterVersion,
    rules.map(({ action, direction, protocol, source, destination, ports }) => [
      action,
      direction,
      protocol,
      source ?? "",
      destination ?? "",
      ports?.start ?? 0,
      ports?.end ?? 0,
    ]),
    otherwise,
    allowsDhcp,
    antiSpoofing?.addresses ?? "",
    base === undefined
      ? ""
      : [
          base.name,
          Object.keys(base.parameters)
            .sort()
            .map((name) => [name, base.parameters[name]]),
        ],
  ];
  return createHash("sha256").update(JSON.stringify(said)).digest("hex").slice(0, 16);
}
