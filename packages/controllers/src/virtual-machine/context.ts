// What all reconciles of VirtualMachines share: the objects, the connections, the clock, and what this process remembers. Each part of the
// controller is handed it, beside the Look of the one VM that it is about.

import {
  ConfigMap,
  Host,
  Provider,
  Secret,
  StoragePool,
  VirtualMachine,
  VirtualNetwork,
  VMClass,
  VMClone,
  VMImage,
  VMNetworkAttachment,
  VMSnapshot,
  VMTemplate,
  Volume,
} from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Cache, CacheIndex, Clock, EventRecorder, Manager } from "@vivarium/runtime";
import type { ProviderRegistry } from "../provider-registry.ts";
import type { Placer } from "../placement/placer.ts";
import { createPlacer } from "./host-chooser.ts";
import { VmMemories } from "./memories.ts";
import { HostMacs } from "./perform/host-macs.ts";
import { MacLedger } from "./perform/mac-ledger.ts";
import type { RelatedObjects } from "./resolve/definition.ts";
import { keptMacs } from "./resolve/macs.ts";

export interface VmContext {
  readonly client: Client;
  readonly recorder: EventRecorder;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random: () => number;
  readonly objects: VmObjects;
  /** What a VM's spec may name. */
  readonly related: RelatedObjects;
  readonly memories: VmMemories;
  readonly macLedger: MacLedger;
  readonly hostMacs: HostMacs;
  readonly placer: Placer;
}

export interface VmObjects {
  readonly machines: Cache<VirtualMachine>;
  readonly machinesByMac: CacheIndex<VirtualMachine>;
  readonly attachments: Cache<VMNetworkAttachment>;
  readonly providers: Cache<Provider>;
  readonly hosts: Cache<Host>;
  readonly pools: Cache<StoragePool>;
  readonly snapshots: Cache<VMSnapshot>;
  readonly clones: Cache<VMClone>;
  readonly templates: Cache<VMTemplate>;
  readonly secrets: Cache<Secret>;
  readonly configMaps: Cache<ConfigMap>;
}

export interface VmContextOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly random: () => number;
  /** Shared with the controller of VMPlacementPolicies; one of its own when absent. */
  readonly placer?: Placer;
}

export function createVmContext({
  manager,
  providers,
  clock,
  random,
  placer = createPlacer(manager),
}: VmContextOptions): VmContext {
  const objects: VmObjects = {
    machines: manager.cache(VirtualMachine),
    machinesByMac: manager.cache(VirtualMachine).index(keptMacs),
    attachments: manager.cache(VMNetworkAttachment),
    providers: manager.cache(Provider),
    hosts: manager.cache(Host),
    pools: manager.cache(StoragePool),
    snapshots: manager.cache(VMSnapshot),
    clones: manager.cache(VMClone),
    templates: manager.cache(VMTemplate),
    secrets: manager.cache(Secret),
    configMaps: manager.cache(ConfigMap),
  };
  const related = relatedObjects(manager, objects);
  const macLedger = new MacLedger();
  const hostMacs = new HostMacs(clock);
  const memories = new VmMemories({ clock, onForget: (uid) => macLedger.forget(uid) });
  const { client, recorder } = manager;
  return { client, recorder, providers, clock, random, objects, related, memories, macLedger, hostMacs, placer };
}

function relatedObjects(
  manager: Manager,
  { machines, providers, pools, attachments, clones }: VmObjects,
): RelatedObjects {
  const classes = manager.cache(VMClass);
  const images = manager.cache(VMImage);
  const virtualNetworks = manager.cache(VirtualNetwork);
  const volumes = manager.cache(Volume);
  return {
    providers: () => providers.list(),
    provider: (key) => providers.get(key),
    vmClass: (key) => classes.get(key),
    image: (key) => images.get(key),
    clone: (key) => clones.get(key),
    network: (key) => attachments.get(key),
    virtualNetwork: (key) => virtualNetworks.get(key),
    volume: (key) => volumes.get(key),
    pool: (key) => pools.get(key),
    machines: () => machines.list(),
  };
}
