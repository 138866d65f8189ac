// The scheduler as the VirtualMachine controller uses it: over caches that keep its ledger true, and only where there is something to choose.

import { Host, Namespace, Provider, VirtualMachine, VMClass, VMPlacementPolicy } from "@vivarium/api";
import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Manager } from "@vivarium/runtime";
import type { Placement } from "../placement/model.ts";
import { Placer } from "../placement/placer.ts";
import type { PlacementObjects } from "../placement/placer.ts";
import { hostsOf } from "../provider-config.ts";
import { requestOf } from "../request-of.ts";
import { hasSeveralHosts, hostOfVm } from "../vm-host.ts";
import { adoptionOf } from "./resolve/definition.ts";

/** What the scheduler reads, from the caches. */
export function placementObjects(manager: Manager): PlacementObjects {
  const providers = manager.cache(Provider);
  const hosts = manager.cache(Host);
  const classes = manager.cache(VMClass);
  const policies = manager.cache(VMPlacementPolicy);
  const namespaces = manager.cache(Namespace);
  return {
    providers: () => providers.list(),
    provider: (key) => providers.get(key),
    host: (key) => hosts.get(key),
    vmClass: (key) => classes.get(key),
    policy: (key) => policies.get(key),
    namespaceLabels: (name) => namespaces.get({ namespace: "", name })?.metadata.labels ?? {},
  };
}

/** One a process: the ledger in it is what keeps hosts from being promised twice. */
export function createPlacer(manager: Manager): Placer {
  const placer = new Placer(placementObjects(manager));
  manager.cache(VirtualMachine).onChange((change) => {
    if (change.kind === "set") {
      placer.ledger.set(change.object);
      return;
    }
    const { uid = "" } = change.previous.metadata;
    placer.ledger.delete(uid);
    placer.waiting.delete(uid);
    placer.findings.delete(requestOf(change.previous));
  });
  // What VMs refer to says how large they are, and where.
  refreshOnSpec(VMClass);
  refreshOnSpec(Provider);
  return placer;

  function refreshOnSpec<T extends KubeObject>(type: ResourceType<T>): void {
    manager.cache(type).onChange((change) => {
      const isSame =
        change.kind === "set" && change.previous?.metadata.generation === change.object.metadata.generation;
      if (!isSame) placer.ledger.refresh();
    });
  }
}

/** Undefined where there is nothing to choose: the VM is on a host, or may be on the only one that its Provider has. */
export function chooseHost(vm: VirtualMachine, provider: Provider, placer: Placer): Placement | undefined {
  const assumed = placer.ledger.hostOf(vm.metadata.uid ?? "");
  const isAdopted = adoptionOf(vm) !== undefined;
  if (hasSeveralHosts(provider)) {
    if (hostOfVm(vm, provider) !== undefined) return undefined;
    // An adopted domain is where it is, whatever the rules.
    const adopted = isAdopted
      ? hostsOf(provider).find(({ name }) => name === vm.spec.placement?.host)?.name
      : undefined;
    // Chosen before, and not written yet.
    const host = assumed ?? adopted;
    return host === undefined ? placer.choose(vm, provider) : { kind: "chosen", host, verdicts: [] };
  }
  if (assumed !== undefined || isAdopted || vm.metadata.deletionTimestamp !== undefined) return undefined;
  const placement = placer.choose(vm, provider);
  if (placement.kind === "none") return placement;
  // Where it is to be needs no words, but its room is held.
  placer.ledger.bind(vm, placement.host);
  return undefined;
}
