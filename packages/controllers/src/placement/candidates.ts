// From objects to what the scheduler reasons about: the hosts of a Provider, and what a VirtualMachine wants. Pure.

import { clusterLabel, datastoreLabel, findCondition } from "@vivarium/api";
import type { Host, Provider, VirtualMachine, VMClass } from "@vivarium/api";
import { hostsOf, providerConfigPool } from "../provider-config.ts";
import { plus, machineOf } from "./ledger.ts";
import type { HostAmount, HostRoom, PlacementHost, PlacementWish } from "./model.ts";

/** `takenOn`: what machines hold of a host, without domains of others. */
export function placementHosts(
  provider: Provider,
  {
    hostOf,
    takenOn,
  }: {
    readonly hostOf: (name: string) => Host | undefined;
    readonly takenOn: (name: string) => HostAmount;
  },
): readonly PlacementHost[] {
  const declared = hostsOf(provider);
  const isOnly = declared.length === 1;
  const pool = providerConfigPool(provider);
  const limited = provider.spec.hostPolicy !== undefined;
  return declared.map(({ name, labels: given }) => {
    const host = hostOf(name);
    const labels = { ...host?.metadata.labels, ...given };
    const { allocatable, allocatedByOthers, capacity, storage } = host?.status ?? {};
    const ready = findCondition(host?.status?.conditions, "Ready");
    const hasPolicy = limited || provider.spec.hosts?.find((each) => each.name === name)?.policy !== undefined;
    const shared = labels[datastoreLabel];
    return {
      name,
      labels,
      // Of the only host everything waits for the connection anyway, and says so.
      ...(ready?.status === "True" || isOnly ? {} : { notReady: ready?.message ?? "it was not tried yet" }),
      isUnschedulable: host?.spec.unschedulable === true,
      taints: host?.spec.taints ?? [],
      ...(capacity === undefined ? {} : { capacity }),
      room: isOnly && !hasPolicy ? unlimited : roomOf(allocatable),
      taken: plus(takenOn(name), allocatedByOthers ?? { cpus: 0, memoryBytes: 0 }),
      ...(storage === undefined ? {} : { storage }),
      features: featuresOf(host),
      cluster: labels[clusterLabel] ?? provider.metadata.name,
      datastore: { name: shared ?? pool, id: shared ?? `${name}/${pool}` },
    };
  });
}

const unlimited: HostRoom = { kind: "unlimited" };

function roomOf(allocatable: HostAmount | undefined): HostRoom {
  return allocatable === undefined ? { kind: "unknown" } : { kind: "limited", ...allocatable };
}

function featuresOf(host: Host | undefined): ReadonlySet<string> {
  const { capabilities = {}, acceleration } = host?.status ?? {};
  const can = Object.entries(capabilities).flatMap(([name, value]) => (value === true ? [name] : []));
  return new Set(acceleration?.kind === "kvm" ? [...can, "kvm"] : can);
}

export function wishOf(
  vm: VirtualMachine,
  {
    amount,
    vmClass,
    problems,
  }: {
    readonly amount: HostAmount;
    readonly vmClass: VMClass | undefined;
    readonly problems: readonly string[];
  },
): PlacementWish {
  const { placement } = vm.spec;
  const security = vmClass?.spec.securityProfile;
  return {
    machine: machineOf(vm),
    amount,
    ...(placement?.host === undefined ? {} : { host: placement.host }),
    selector: placement?.hostSelector ?? {},
    tolerations: placement?.tolerations ?? [],
    hasSecureBoot: security?.secureBoot === true,
    hasTpm: security?.tpmEnabled === true,
    problems,
  };
}
