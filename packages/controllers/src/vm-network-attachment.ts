// The VMNetworkAttachment controller: says whether machines can plug in, which do, and what addresses they have there.

import { Provider, setCondition, VirtualMachine, VMNetworkAttachment } from "@vivarium/api";
import type { VMNetworkAttachmentStatus } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { effectiveProvider } from "./effective-provider.ts";
import { providerStatusKey } from "./image-on-provider.ts";
import { macsOf } from "./virtual-machine/resolve/macs.ts";
import { networkVerdict } from "./vm-network-attachment-plan.ts";
import { observedGenerationOf } from "./verdict.ts";

export function createVmNetworkAttachmentController(options: {
  readonly manager: Manager;
  readonly clock: Clock;
}): Controller {
  const { manager, clock } = options;
  const networks = manager.cache(VMNetworkAttachment);
  const machines = manager.cache(VirtualMachine);
  const providers = manager.cache(Provider);

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const network = networks.get(request);
    if (network === undefined || network.metadata.deletionTimestamp !== undefined) return undefined;
    const verdict = networkVerdict(network.spec);
    const isReady = verdict.status === "True";
    const users = machines.list().filter((vm) => nicsOn(vm, request).length > 0);
    const available = providersOf(users, network);
    const allocations = users.flatMap((vm) => allocationsOf(vm, request));
    const observed = observedGenerationOf(network);
    const condition = { type: "Ready", ...verdict, ...observed };
    const status: VMNetworkAttachmentStatus = {
      ready: isReady,
      phase: isReady ? "Ready" : "Failed",
      message: verdict.message,
      connectedVMs: users.length,
      ...(available.length === 0 ? {} : { availableOn: [...available] }),
      ...(allocations.length === 0 ? {} : { ipAllocations: allocations }),
      ...observed,
      conditions: setCondition(network.status?.conditions, condition, { now: new Date(clock.now()) }),
    };
    await writeStatus(manager.client, { type: VMNetworkAttachment, object: network, status }, { signal });
    return undefined;
  }

  /** Where a machine runs that is plugged in: there the network is, for certain. */
  function providersOf(users: readonly VirtualMachine[], network: VMNetworkAttachment): readonly string[] {
    const keys = users.flatMap((vm) => {
      const effective = effectiveProvider(vm, providers.list());
      const isProven = vm.status?.phase === "Running" && effective.kind === "found";
      return isProven ? [providerStatusKey(network, effective.key)] : [];
    });
    return [...new Set(keys)].sort();
  }

  return {
    name: "vm-network-attachment",
    for: VMNetworkAttachment,
    related: [
      related(VirtualMachine, (vm) => (vm.spec.networks ?? []).flatMap((nic) => networkOf(vm, nic.networkRef))),
    ],
    reconcile,
  };
}

function networkOf(
  vm: VirtualMachine,
  ref: { readonly name: string; readonly namespace?: string } | undefined,
): readonly ReconcileRequest[] {
  return ref === undefined ? [] : [{ namespace: ref.namespace ?? vm.metadata.namespace ?? "", name: ref.name }];
}

/** Places of the machine's interfaces that are on the network. */
function nicsOn(vm: VirtualMachine, network: ReconcileRequest): readonly number[] {
  return (vm.spec.networks ?? []).flatMap((nic, index) => {
    const isThis = networkOf(vm, nic.networkRef).some(
      (each) => each.namespace === network.namespace && each.name === network.name,
    );
    return isThis ? [index] : [];
  });
}

function allocationsOf(vm: VirtualMachine, network: ReconcileRequest) {
  const all = macsOf(vm);
  const macs = new Set(nicsOn(vm, network).map((index) => all[index]));
  return (vm.status?.addresses ?? []).flatMap(({ ip, mac }) =>
    mac !== undefined && macs.has(mac) ? [{ ip, vm: vm.metadata.name, mac }] : [],
  );
}
