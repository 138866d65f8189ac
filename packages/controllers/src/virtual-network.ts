// The VirtualNetwork controller: adopts or makes the network of each VirtualNetwork, keeps its addresses and names as they are declared while it
// runs, starts it again when somebody stopped it, and lets go of it.

import {
  forceDeleteAnnotation,
  formatKey,
  findCondition,
  Provider,
  VirtualMachine,
  VirtualNetwork,
  virtualNetworkFinalizer,
  VMNetworkAttachment,
} from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type { Clock, Controller, Manager, ReconcileRequest } from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectNews } from "./object-news.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { isPlacedOn, madeOnOf, providerOfPlaced } from "./placed/placed-object.ts";
import { placedReconcile } from "./placed/placed-reconcile.ts";
import type { PlacedKind, PlacedReport } from "./placed/placed-reconcile.ts";
import { roleOf } from "./placed/role-of.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import type { OwnStep } from "./steps/step.ts";
import { keptMacs } from "./virtual-machine/resolve/macs.ts";
import { virtualNetworkOf } from "./virtual-machine/resolve/virtual-network.ts";
import { machineName, pluggedInto } from "./virtual-network-machines.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";
import { decideNetwork } from "./virtual-network-plan.ts";
import type { NetworkInput, NetworkStep } from "./virtual-network-plan.ts";
import { networkStatusOf } from "./virtual-network-status.ts";
import { networkNameOf } from "./virtual-network-place.ts";
import { networkTargetOf } from "./virtual-network-target.ts";

interface Look extends NetworkInput {
  readonly plugged: readonly PluggedNic[];
}

export function createVirtualNetworkController({
  manager,
  providers,
  clock,
}: {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}): Controller {
  const networks = manager.cache(VirtualNetwork);
  const machines = manager.cache(VirtualMachine);
  const attachments = manager.cache(VMNetworkAttachment);
  const providerObjects = manager.cache(Provider);
  const machineNews = new ObjectNews<VirtualMachine>((vm) => [vm.spec.networks, vm.status?.addresses, keptMacs(vm)]);

  const kind: PlacedKind<VirtualNetwork, Look, OwnStep<NetworkStep>> = {
    type: VirtualNetwork,
    finalizer: virtualNetworkFinalizer,
    observe,
    decide: decideNetwork,
    act,
    explain: (error, step) => ({
      reason: step.kind === "Remove" ? "InUse" : error.code,
      retryMs: error.retryable ? 10_000 : 30_000,
    }),
    report,
  };

  async function observe(
    network: VirtualNetwork,
    { done, signal }: { readonly done: ReadonlySet<string>; readonly signal: AbortSignal },
  ): Promise<Look> {
    const provider = providerOfPlaced(network, providerObjects.list());
    const all = machines.list();
    const plugged = pluggedInto(network, all, (key) => attachments.get(key));
    const target = networkTargetOf(network, { provider, plugged });
    const madeOn = madeOnOf(network);
    const seen = await orUnavailable(async () => {
      const { ref } = target;
      if (ref === undefined) throw new ProviderError("Unavailable", "The spec does not tell which network it is");
      return roleOf(providers, provider, "networks").observe(ref, { signal });
    });
    const domains = seen.kind === "present" ? seen.users : [];
    return {
      nowMs: clock.now(),
      isDeleting: network.metadata.deletionTimestamp !== undefined,
      hasFinalizer: network.metadata.finalizers?.includes(virtualNetworkFinalizer) ?? false,
      isForcedDelete: network.metadata.annotations?.[forceDeleteAnnotation] === "true",
      target,
      ...(provider === undefined ? {} : { provider: formatKey(provider) }),
      ...(madeOn === undefined ? {} : { madeOn }),
      seen,
      plugged,
      machines: [...new Set(plugged.map(({ vm }) => machineName(vm, network)))],
      users: domains.map(({ name, uid }) => {
        const vm = all.find((each) => each.metadata.uid === uid);
        return vm === undefined ? `domain/${name}` : machineName(vm, network);
      }),
      done,
    };
  }

  async function act(
    network: VirtualNetwork,
    step: OwnStep<NetworkStep>,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    if (step.kind === "RecordPlacement") {
      const status = { ...network.status, record: { madeOn: step.provider } };
      await writeStatus(manager.client, { type: VirtualNetwork, object: network, status }, options);
      return;
    }
    const role = roleOf(providers, providerOfPlaced(network, providerObjects.list()), "networks");
    const tellDone = (reason: string, message: string): void => tell(network, "Normal", reason, message);
    switch (step.kind) {
      case "Check":
        return role.check(step.definition, options);
      case "Create":
        await role.create(step.definition, options);
        tellDone("Created", `Network "${step.definition.name}" of mode ${step.definition.mode} is made`);
        return;
      case "Start":
        await role.start(step.ref, options);
        tellDone("Started", `Network "${step.ref.name}" was stopped, and is started again`);
        return;
      case "Update":
        await role.update(step.definition, options);
        tellDone("Updated", "Addresses and names of the network are as declared");
        return;
      case "Reconnect":
        await role.reconnect(step.ref, options);
        tellDone("Reconnected", "Machines that were cut off when the network was stopped are plugged in");
        return;
      case "Remove":
        return role.remove(step.ref, options);
    }
  }

  async function report(network: VirtualNetwork, { situation, look, signal }: PlacedReport<Look>): Promise<void> {
    const { plugged } = look;
    const status = networkStatusOf(network, { situation, input: look, plugged, now: new Date(clock.now()) });
    await writeStatus(manager.client, { type: VirtualNetwork, object: network, status }, { signal });
    for (const type of ["Ready", "LeasesApplied"]) {
      const now = findCondition(status.conditions, type);
      const old = findCondition(network.status?.conditions, type);
      if (now === undefined || now.status === "True") continue;
      if (now.status !== old?.status || now.reason !== old.reason) tell(network, "Warning", now.reason, now.message);
    }
  }

  function tell(network: VirtualNetwork, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(network, { type, reason, message });
  }

  function networksOn(key: ProviderKey): readonly VirtualNetwork[] {
    return networks.list().filter((network) => isPlacedOn(network, key, providerObjects.list()));
  }

  /** Those that it is plugged into, and those that keep an address for it. */
  function networksOf(vm: VirtualMachine): readonly ReconcileRequest[] {
    const keeping = networks
      .list({ namespace: vm.metadata.namespace ?? "" })
      .filter(({ spec }) => spec.create?.leases?.some(({ vmRef }) => vmRef?.name === vm.metadata.name));
    return [
      ...(vm.spec.networks ?? []).flatMap((nic) => virtualNetworkOf(vm, nic, (key) => attachments.get(key)) ?? []),
      ...keeping.map(requestOf),
    ];
  }

  return {
    name: "virtual-network",
    for: VirtualNetwork,
    related: [
      related(VirtualMachine, (vm) =>
        // The last that is seen of one that is deleted is no news, and yet it matters that it is gone.
        vm.metadata.deletionTimestamp !== undefined || machineNews.isNews(vm) ? networksOf(vm) : [],
      ),
      related(VMNetworkAttachment, ({ metadata, spec }) => {
        const ref = spec.network.virtualNetworkRef;
        return ref === undefined ? [] : [{ namespace: metadata.namespace ?? "", ...ref }];
      }),
      related(Provider, (provider) => networksOn(requestOf(provider)).map(requestOf)),
    ],
    sources: [
      (enqueue, { signal }) =>
        providers.subscribe(
          ({ provider, event }) => {
            for (const network of networksOn(provider)) {
              if (concerns(event, network)) enqueue(requestOf(network));
            }
          },
          { signal },
        ),
    ],
    reconcile: placedReconcile(kind, { manager, clock }),
  };
}

type HostEvent = Parameters<Parameters<ProviderRegistry["subscribe"]>[0]>[0]["event"];

function concerns(event: HostEvent, network: VirtualNetwork): boolean {
  switch (event.kind) {
    case "connected":
    case "disconnected":
      return true;
    case "network":
      // What another network held may be free now.
      return event.network === networkNameOf(network) || network.status?.phase === "Failed";
    case "vm":
      // One that waits for machines to go is told when they do.
      return network.metadata.deletionTimestamp !== undefined;
    case "pool":
      return false;
  }
}
