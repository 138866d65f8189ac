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
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { NetworkRole } from "@vivarium/provider";
import { ensureFinalizer, related, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { requestOf } from "./request-of.ts";
import { ObjectNews } from "./object-news.ts";
import type { ProviderKey, ProviderRegistry } from "./provider-registry.ts";
import { keptMacs } from "./virtual-machine/resolve/macs.ts";
import { virtualNetworkOf } from "./virtual-machine/resolve/virtual-network.ts";
import { machineName, pluggedInto } from "./virtual-network-machines.ts";
import type { PluggedNic } from "./virtual-network-machines.ts";
import { decideNetwork } from "./virtual-network-plan.ts";
import type { NetworkInput, NetworkSituation, NetworkStep, NetworkTarget } from "./virtual-network-plan.ts";
import { networkStatusOf } from "./virtual-network-status.ts";
import { networkNameOf, networkRecordOf, providerOfNetwork } from "./virtual-network-place.ts";
import { networkTargetOf } from "./virtual-network-target.ts";

const mostSteps = 20;

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

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const done = new Set<NetworkStep["kind"]>();
    for (let count = 0; count < mostSteps; count++) {
      const network = networks.get(request);
      if (network === undefined) return undefined;
      const look = await observe(network, { done, signal: context.signal });
      const step = decideNetwork(look);
      if (step.kind === "Settle") return settle(network, { ...step, look }, context);
      try {
        await act(network, step, context);
      } catch (error) {
        if (!isProviderError(error)) throw error;
        const lookAgainAtMs = clock.now() + (error.retryable ? 10_000 : 30_000);
        const problem = { reason: step.kind === "Remove" ? "InUse" : error.code, message: error.message };
        return settle(network, { situation: { kind: "Problem", problem }, lookAgainAtMs, look }, context);
      }
      done.add(step.kind);
      if (step.kind === "RemoveFinalizer") return undefined;
    }
    throw new Error(`Cannot settle VirtualNetwork "${request.name}": ${mostSteps} steps led nowhere`);
  }

  async function observe(
    network: VirtualNetwork,
    { done, signal }: { readonly done: ReadonlySet<NetworkStep["kind"]>; readonly signal: AbortSignal },
  ): Promise<Look> {
    const provider = providerOfNetwork(network, providerObjects.list());
    const all = machines.list();
    const plugged = pluggedInto(network, all, (key) => attachments.get(key));
    const target = networkTargetOf(network, { provider, plugged });
    const { madeOn } = networkRecordOf(network);
    const seen = await see(target, provider, signal);
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

  async function see(
    target: NetworkTarget,
    key: ProviderKey | undefined,
    signal: AbortSignal,
  ): Promise<NetworkInput["seen"]> {
    if (target.ref === undefined) {
      return {
        kind: "unavailable",
        error: new ProviderError("Unavailable", "The spec does not tell which network it is"),
      };
    }
    try {
      return await roleOf(key).observe(target.ref, { signal });
    } catch (error) {
      if (!isProviderError(error)) throw error;
      return { kind: "unavailable", error };
    }
  }

  function roleOf(key: ProviderKey | undefined): NetworkRole {
    const name = key === undefined ? "" : formatKey(key);
    const open = key && providers.get(key);
    if (open === undefined) throw new ProviderError("Unavailable", `Provider "${name}" is not connected`);
    if (open.networks === undefined) throw new ProviderError("Unsupported", `Provider "${name}" has no networks`);
    return open.networks;
  }

  async function act(
    network: VirtualNetwork,
    step: Exclude<NetworkStep, { kind: "Settle" }>,
    { signal, log }: ReconcileContext,
  ): Promise<void> {
    const options = { signal };
    const finalized = { type: VirtualNetwork, object: network, finalizer: virtualNetworkFinalizer };
    const logged = { step: step.kind, network: formatKey(requestOf(network)) };
    const role = (): NetworkRole => roleOf(providerOfNetwork(network, providerObjects.list()));
    log.info({ ...logged, phase: "start" }, "step");
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(manager.client, finalized, options);
        break;
      case "RecordPlacement": {
        const status = { ...network.status, record: { madeOn: step.provider } };
        await writeStatus(manager.client, { type: VirtualNetwork, object: network, status }, options);
        break;
      }
      case "Check":
        await role().check(step.definition, options);
        break;
      case "Create":
        await role().create(step.definition, options);
        tell(network, "Normal", "Created", `Network "${step.definition.name}" of mode ${step.definition.mode} is made`);
        break;
      case "Start":
        await role().start(step.ref, options);
        tell(network, "Normal", "Started", `Network "${step.ref.name}" was stopped, and is started again`);
        break;
      case "Update":
        await role().update(step.definition, options);
        tell(network, "Normal", "Updated", "Addresses and names of the network are as declared");
        break;
      case "Reconnect":
        await role().reconnect(step.ref, options);
        tell(
          network,
          "Normal",
          "Reconnected",
          "Machines that were cut off when the network was stopped are plugged in",
        );
        break;
      case "Remove":
        await role().remove(step.ref, options);
        break;
      case "RemoveFinalizer":
        await removeFinalizer(manager.client, finalized, options);
    }
    log.info({ ...logged, phase: "done" }, "step");
  }

  async function settle(
    network: VirtualNetwork,
    outcome: { readonly situation: NetworkSituation; readonly lookAgainAtMs?: number; readonly look: Look },
    { signal }: ReconcileContext,
  ): Promise<ReconcileResult> {
    const { situation, lookAgainAtMs, look } = outcome;
    if (situation.kind === "Gone") return undefined;
    const { plugged } = look;
    const status = networkStatusOf(network, { situation, input: look, plugged, now: new Date(clock.now()) });
    await writeStatus(manager.client, { type: VirtualNetwork, object: network, status }, { signal });
    for (const type of ["Ready", "LeasesApplied"]) {
      const now = findCondition(status.conditions, type);
      const old = findCondition(network.status?.conditions, type);
      if (now === undefined || now.status === "True") continue;
      if (now.status !== old?.status || now.reason !== old.reason) tell(network, "Warning", now.reason, now.message);
    }
    return lookAgainAtMs === undefined ? undefined : { requeueAfterMs: Math.max(0, lookAgainAtMs - clock.now()) };
  }

  function tell(network: VirtualNetwork, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(network, { type, reason, message });
  }

  function networksOn(key: ProviderKey): readonly VirtualNetwork[] {
    return networks.list().filter((network) => {
      const found = providerOfNetwork(network, providerObjects.list());
      return found?.namespace === key.namespace && found.name === key.name;
    });
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
    reconcile,
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
