// What the controllers ask of a hypervisor about domains that were there before: what they are, whose they become, and how they are let
// go of. A domain is adopted by a mark in its metadata that names the VM; nothing else about it is written.

import type { DomainSummary } from "./host.ts";
import type { CallOptions, PowerState, VmIdentity } from "./provider.ts";

/** A domain with all that an object can say of it. */
export interface AdoptableDomain extends DomainSummary {
  readonly power: PowerState;
  /** False: it ends with its run, and nothing is left of it. */
  readonly isPersistent: boolean;
  /** The VM whose mark it carries, here or on another server. */
  readonly owner?: VmIdentity;
  readonly title?: string;
  /** By XML namespace: what the elements of the domain's metadata say, as text. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly disks: readonly AdoptableDisk[];
  readonly nics: readonly AdoptableNic[];
}

export interface AdoptableDisk {
  /** `vda`, `sdb`, … */
  readonly target: string;
  readonly path?: string;
  /** Where the host tells it. */
  readonly sizeBytes?: number;
  readonly isReadOnly: boolean;
}

export interface AdoptableNic {
  readonly mac: string;
  /** Of the host: a network or a bridge. */
  readonly source?: { readonly network: string } | { readonly bridge: string };
}

/** All methods but `list` are about a VM with `adoptedUuid`. */
export interface AdoptionRole {
  /** Every domain on the host. Never changes anything. */
  list(options?: CallOptions): Promise<readonly AdoptableDomain[]>;
  /**
   * Marks the domain as this VM's; runs or not, it goes on as it was. Success when it is already. NotFound when there is none, Conflict
   * when it is another VM's.
   */
  bind(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /** Takes the mark away; domain and disks stay. Success when there is no such mark. */
  release(vm: VmIdentity, options?: CallOptions): Promise<void>;
  /**
   * Ends the domain and deletes it with the volumes of its disks: the only call that destroys what was not made here. Conflict, before
   * anything is touched, when it is not this VM's or something else uses one of the volumes. Success when absent.
   */
  destroy(vm: VmIdentity, options?: CallOptions): Promise<void>;
}
