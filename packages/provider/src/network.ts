// What the controllers ask of a hypervisor about networks. An optional role of a Provider: where it is absent the hypervisor has none.

import type { CallOptions, VmIdentity } from "./provider.ts";

/** A network that was made for a VirtualNetwork has that object's uid; one that was adopted is known by its name alone. */
export type NetworkRef =
  | { readonly kind: "made"; readonly uid: string; readonly name: string }
  | { readonly kind: "adopted"; readonly name: string };

export type NetworkMode = "nat" | "routed" | "isolated" | "bridged" | "openvswitch";

export interface AddressRange {
  readonly start: string;
  readonly end: string;
}

export interface StaticLease {
  /** Lower case, colons. */
  readonly mac: string;
  /** IPv4. */
  readonly ip: string;
  readonly hostname?: string;
}

export interface DnsHost {
  readonly ip: string;
  readonly names: readonly string[];
}

/** What of a network can be changed while it runs. Addresses are in the form of `canonicalIp`, all lists in no order that matters. */
export interface NetworkSettings {
  readonly isAutostarted: boolean;
  readonly ranges: readonly AddressRange[];
  readonly leases: readonly StaticLease[];
  readonly dnsHosts: readonly DnsHost[];
}

/** What of a network is for good. */
export interface NetworkShape {
  readonly mode: NetworkMode;
  /** That of the host for `bridged` and `openvswitch`; for others, the name of the one to be made. */
  readonly bridge?: string;
  /** Of `openvswitch`: packets carry this tag on the wire, and none in the machine. */
  readonly vlan?: number;
  /** Of `openvswitch`: packets of these tags reach the machine, tags and all. In no order that matters. */
  readonly trunk?: readonly number[];
  readonly domain?: string;
  /** The host's own addresses there, with the length of the prefix. */
  readonly subnets: readonly string[];
}

export interface NetworkDefinition extends NetworkShape {
  /** The VirtualNetwork: its uid is the network's UUID. */
  readonly owner: VmIdentity;
  readonly name: string;
  readonly settings: NetworkSettings;
}

export interface DhcpLease {
  readonly ip: string;
  readonly mac?: string;
  readonly hostname?: string;
  readonly expiresAtMs?: number;
}

/** A domain, running or not, that has an interface there. */
export interface NetworkUser {
  readonly name: string;
  readonly uid: string;
  /** A VM of ours that runs and reaches nothing: it was plugged in when the network was stopped. */
  readonly isCutOff?: true;
}

export type NetworkObservation =
  | { readonly kind: "absent" }
  /** A network holds the name or the UUID and was not made for this object: never touched. */
  | { readonly kind: "foreign"; readonly reason: string }
  | {
      readonly kind: "present";
      readonly isActive: boolean;
      /** False: it goes when it is stopped; somebody took its definition away while it ran. */
      readonly isDefined: boolean;
      /** As NetworkMode; of an adopted one whatever the hypervisor calls it. */
      readonly shape: Omit<NetworkShape, "mode"> & { readonly mode: string };
      readonly settings: NetworkSettings;
      readonly leases: readonly DhcpLease[];
      readonly users: readonly NetworkUser[];
    };

/** Networks that VMs plug into. */
export interface NetworkRole {
  /** Looks at the network and at what uses it. Never changes anything. */
  observe(network: NetworkRef, options?: CallOptions): Promise<NetworkObservation>;
  /**
   * Refuses what this host cannot do (Unsupported), lacks (InvalidSpec) or has given away (Conflict: a bridge, a subnet that meets another
   * network's or a route of the host, as far as those can be seen), before anything is touched.
   */
  check(definition: NetworkDefinition, options?: CallOptions): Promise<void>;
  /** Defines and starts it, and defines it again where only its definition is gone. Idempotent. Conflict where the name is somebody else's. */
  create(definition: NetworkDefinition, options?: CallOptions): Promise<void>;
  /** Makes its settings those of the definition; machines that are plugged in notice nothing. NotFound when there is none. */
  update(definition: NetworkDefinition, options?: CallOptions): Promise<void>;
  /** Starts a network that was stopped; success when it is active. NotFound when there is none. */
  start(network: NetworkRef, options?: CallOptions): Promise<void>;
  /** Plugs in again what is cut off. NotFound when there is no network. */
  reconnect(network: NetworkRef, options?: CallOptions): Promise<void>;
  /** Removes a network that was made. Conflict, naming them, while a domain has an interface there; success when absent. */
  remove(network: Extract<NetworkRef, { kind: "made" }>, options?: CallOptions): Promise<void>;
}
