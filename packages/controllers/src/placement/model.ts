// What the scheduler reasons about: hosts, the machines that are on them, one machine that is to be put somewhere, and the verdicts. Plain
// values: where they come from is candidates.ts.

import type { Taint, Toleration } from "@vivarium/api";

export type Labels = Readonly<Record<string, string>>;

export interface HostAmount {
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface PlacementHost {
  readonly name: string;
  readonly labels: Labels;
  /** Why it cannot be used now; absent when it can. */
  readonly notReady?: string;
  readonly isUnschedulable: boolean;
  readonly taints: readonly Taint[];
  /** All of it; absent while it is not known. */
  readonly capacity?: HostAmount;
  /** What machines may take, or why that is not known. */
  readonly room: HostRoom;
  /** What machines that are bound to it, and domains of others, take. */
  readonly taken: HostAmount;
  readonly storage?: { readonly totalBytes: number; readonly availableBytes: number };
  /** Names of what it can do. */
  readonly features: ReadonlySet<string>;
  readonly cluster: string;
  readonly datastore: {
    /** As people name it. */
    readonly name: string;
    /** The same for hosts that share it. */
    readonly id: string;
  };
}

export type HostRoom =
  | ({ readonly kind: "limited" } & HostAmount)
  /** Nobody said how much machines may take, and there is no other host to choose. */
  | { readonly kind: "unlimited" }
  | { readonly kind: "unknown" };

export interface Machine {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** The VMPlacementPolicy that it follows, of its namespace. */
  readonly policy?: string;
}

export interface PlacedMachine extends Machine {
  readonly host: string;
}

/** A machine that is to be put somewhere. */
export interface PlacementWish {
  readonly machine: Machine;
  readonly amount: HostAmount;
  /** Named by the user: whether it is ready, unschedulable or tainted is not asked. */
  readonly host?: string;
  /** Labels that the host must have. */
  readonly selector: Labels;
  readonly tolerations: readonly Toleration[];
  readonly hasSecureBoot: boolean;
  readonly hasTpm: boolean;
  /** What keeps it from any host, such as a policy that is not there. */
  readonly problems: readonly string[];
}

/** One reason why a host cannot take a machine. */
export interface Obstacle {
  /** The same words for all hosts that it concerns: they are counted by them. */
  readonly kind: string;
  /** With the figures and names of this host. */
  readonly message: string;
}

export interface HostVerdict {
  readonly host: string;
  /** None: it can take the machine. */
  readonly obstacles: readonly Obstacle[];
  /** Points for what is preferred; may be below zero. */
  readonly preference: number;
  /** What of it would be free afterwards, percent. */
  readonly freePercent: number;
}

export type Placement =
  | { readonly kind: "chosen"; readonly host: string; readonly verdicts: readonly HostVerdict[] }
  | {
      readonly kind: "none";
      readonly verdicts: readonly HostVerdict[];
      /** What no host can change, such as a policy that cannot be followed. */
      readonly problems: readonly string[];
    };
