// What a simulated hypervisor holds: domains, volumes, images, networks. Outlives the connections to it, as a real one does.

import type { NicDefinition } from "../nics.ts";
import { randomUUID } from "node:crypto";
import type {
  DiskDefinition,
  GuestAddress,
  ImageFile,
  PowerState,
  ProviderEvent,
  VmDefinition,
  VmIdentity,
} from "../provider.ts";
import type { DhcpLease, NetworkDefinition } from "../network.ts";
import type { MoveStage } from "./migration.ts";
import { NamedDomains } from "./named-domains.ts";
import { OwnedVolumes } from "./owned-volumes.ts";
import type { SnapshotConsistency, SnapshotRequest } from "../snapshots.ts";
import type { VolumeRef } from "../storage.ts";

export interface SimulatedDomain {
  /** Name on the hypervisor, see `domainNameOf`. */
  readonly name: string;
  readonly uid: string;
  /** False: made by somebody else. */
  readonly ours: boolean;
  /** The VM that adopted it. */
  adoptedBy?: VmIdentity;
  definition?: VmDefinition;
  /** As defined, and as plugged since. */
  disks: readonly DiskDefinition[];
  nics: readonly NicDefinition[];
  power: PowerState;
  powerReason: string;
  hasSavedMemory?: boolean;
  /** It only waits for a move to be completed. */
  isIncoming?: true;
  agentConnected: boolean;
  /** Grows with each start. */
  boots: number;
  /** When it was last started, by the hypervisor's clock. */
  startedAtMs?: number;
  serialLog: string;
  /** Its guest does nothing: it writes nowhere and sends nothing. */
  isHung?: boolean;
  /** Stands for what is on its disks. */
  data?: string;
}

export interface SimulatedSnapshot {
  readonly request: SnapshotRequest;
  readonly createdAtMs: number;
  parent: string | undefined;
  readonly consistency: SnapshotConsistency;
  readonly disks: readonly string[];
  readonly data: string;
}

export interface SimulatedTree {
  /** By uid, parents first. */
  readonly snapshots: Map<string, SimulatedSnapshot>;
  current: string | undefined;
  lastRevert: string | undefined;
}

export interface SimulatedVolume {
  readonly name: string;
  readonly owner: VmIdentity;
  readonly sizeBytes: number;
  readonly imageId?: string;
  /** Stands for what is on it, until the domain has it. */
  readonly data?: string;
  /** uid of the VM on whose disk it backs. */
  readonly base?: string;
}

/** One that was made here, as a layer, has what was on the disk that it is of. */
export interface SimulatedImage extends ImageFile {
  /** Id of the image below it. */
  readonly backing?: string;
  readonly data?: string;
}

export interface SimulatedPool {
  readonly name: string;
  readonly uid: string;
  readonly type: string;
  readonly path: string;
  readonly capacityBytes: number;
  isActive: boolean;
}

/** A volume of a pool that is no VM's own. */
export interface SimulatedPoolVolume extends VolumeRef {
  readonly format: "qcow2" | "raw";
  sizeBytes: number;
  allocationBytes: number;
  /** Name of the volume, in the same pool, or of the image, that it backs onto. */
  readonly backing?: string;
}

export interface SimulatedNetwork {
  definition: NetworkDefinition;
  isDefined: boolean;
  leases: readonly DhcpLease[];
}

export interface SimulatedHost {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly uefi: boolean;
  readonly secureBoot: boolean;
  readonly tpm: boolean;
  readonly nestedVirtualization: boolean;
  /** Whether its kernel can limit bandwidth. */
  readonly nicLimits: boolean;
}

export class SimulatedWorld {
  readonly hostUuid = randomUUID();
  readonly domains = new NamedDomains();
  readonly volumes: OwnedVolumes;
  readonly images: Map<string, SimulatedImage>;
  readonly pools = new Map<string, SimulatedPool>();
  /** By `pool/name`. */
  readonly poolVolumes = new Map<string, SimulatedPoolVolume>();
  /** Value: whether it is active. */
  readonly networks = new Map<string, boolean>([["default", true]]);
  /** Those of `networks` that were made for a VirtualNetwork. */
  readonly virtualNetworks = new Map<string, SimulatedNetwork>();
  /** By network: uids of domains that were plugged in when it was stopped. */
  readonly cutOff = new Map<string, Set<string>>();
  readonly bridges = new Set<string>();
  /** By MAC. */
  readonly addresses = new Map<string, GuestAddress>();
  readonly listeners = new Set<(event: ProviderEvent) => void>();
  /** By uid of the VM. */
  readonly trees = new Map<string, SimulatedTree>();
  connected = true;
  /** The next move from here is cut off after this stage. */
  brokenMove: MoveStage | undefined;

  /** `sharing`: whose storage it is on, too. */
  constructor(sharing?: SimulatedWorld) {
    this.volumes = sharing?.volumes ?? new OwnedVolumes();
    this.images = sharing?.images ?? new Map();
  }

  emit(event: ProviderEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  setPower(domain: SimulatedDomain, state: { power: PowerState; reason: string; change: string }): void {
    domain.power = state.power;
    domain.powerReason = state.reason;
    if (state.power === "off" || state.power === "crashed") {
      domain.agentConnected = false;
      for (const uids of this.cutOff.values()) uids.delete(domain.uid);
    }
    this.emit({ kind: "vm", uid: domain.uid, change: state.change });
  }

  setNetwork(network: string, change: "started" | "stopped"): void {
    this.networks.set(network, change === "started");
    if (change === "stopped") {
      const isOn = ({ power }: SimulatedDomain): boolean => power !== "off" && power !== "crashed";
      const plugged = [...this.domains.values()].filter((each) => isOn(each) && this.isPluggedInto(each, network));
      this.cutOff.set(network, new Set(plugged.map(({ uid }) => uid)));
    }
    this.emit({ kind: "network", network, change });
  }

  /** By its definition or as it runs. */
  isPluggedInto({ definition, nics }: SimulatedDomain, network: string): boolean {
    return [...(definition?.networks ?? []), ...nics].some(
      ({ source }) => "network" in source && source.network === network,
    );
  }

  domainByName(name: string): SimulatedDomain | undefined {
    return this.domains.named(name);
  }

  volumesIn(pool: string): readonly SimulatedPoolVolume[] {
    return [...this.poolVolumes.values()].filter((volume) => volume.pool === pool);
  }

  volumesOf(uid: string): readonly SimulatedVolume[] {
    return this.volumes.ownedBy(uid);
  }
}
