// The VMPlacementPolicy controller: looks whether the VMs that follow a policy are where it allows them, and says so. It moves nothing.
//
// A look costs the square of the number of followers, so that there is one every two seconds at most, however many of them change.

import { findCondition, formatKey, Host, Provider, VirtualMachine, VMPlacementPolicy } from "@vivarium/api";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { ObjectNews } from "./object-news.ts";
import type { Placer } from "./placement/placer.ts";
import { rulesOf } from "./placement/rules.ts";
import { requestOf } from "./request-of.ts";
import { isNewlyViolated, placementVerdict, policyStatus } from "./vm-placement-policy-plan.ts";
import type { Follower } from "./vm-placement-policy-plan.ts";

const betweenLooksMs = 2_000;

export function createVmPlacementPolicyController({
  manager,
  placer,
  clock,
}: {
  readonly manager: Manager;
  readonly placer: Placer;
  readonly clock: Clock;
}): Controller {
  const policies = manager.cache(VMPlacementPolicy);
  const machines = manager.cache(VirtualMachine);
  const providers = manager.cache(Provider);
  const lastLookMs = new Map<string, number>();

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const policy = policies.get(request);
    if (policy === undefined) {
      lastLookMs.delete(formatKey(request));
      return undefined;
    }
    const dueMs = (lastLookMs.get(formatKey(request)) ?? -Infinity) + betweenLooksMs;
    if (dueMs > clock.now()) return { requeueAfterMs: dueMs - clock.now() };
    lastLookMs.set(formatKey(request), clock.now());
    const { namespace, name } = request;
    const own = machines
      .list({ namespace })
      .filter(({ spec, metadata }) => spec.placementRef?.name === name && metadata.deletionTimestamp === undefined);
    const followers = own.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)).map(look);
    for (const follower of followers) {
      const verdict = placementVerdict(name, follower);
      if (verdict !== undefined) placer.findings.set({ namespace, name: follower.name }, verdict);
    }
    const status = policyStatus(policy, {
      rules: rulesOf(policy),
      followers,
      providers: providers.list({ namespace }).map(({ metadata }) => metadata.name),
      nowMs: clock.now(),
    });
    await writeStatus(manager.client, { type: VMPlacementPolicy, object: policy, status }, { signal });
    if (isNewlyViolated(policy, status)) {
      const message = findCondition(status.conditions, "Satisfied")?.message ?? "";
      manager.recorder.record(policy, { type: "Warning", reason: "PlacementViolated", message });
    }
    return undefined;
  }

  function look(vm: VirtualMachine): Follower {
    const provider = placer.providerOf(vm);
    const host = placer.ledger.hostOf(vm.metadata.uid ?? "");
    const broken = provider === undefined ? [] : placer.whyNotThere(vm, provider);
    const ready = findCondition(vm.status?.conditions, "Ready");
    return {
      name: vm.metadata.name,
      host,
      isRefused: ready?.reason === "NoHostFits",
      broken: broken.map(({ message }) => message),
    };
  }

  const machineNews = new ObjectNews<VirtualMachine>(({ metadata, spec, status }) => [
    metadata.labels,
    spec.placementRef,
    spec.placement,
    status?.host,
    findCondition(status?.conditions, "Ready")?.reason === "NoHostFits",
  ]);
  const hostNews = new ObjectNews<Host>(({ metadata, spec, status }) => [
    metadata.labels,
    spec.taints,
    status?.capabilities,
    status?.capacity,
  ]);

  return {
    name: "vm-placement-policy",
    for: VMPlacementPolicy,
    related: [
      // The one that it followed before is asked to look as well.
      related(VirtualMachine, (vm) => {
        const { placementRef } = vm.spec;
        const isGone = machines.get(requestOf(vm)) === undefined;
        if (!machineNews.isNews(vm) && !isGone) return [];
        return placementRef === undefined ? [] : [{ namespace: vm.metadata.namespace ?? "", name: placementRef.name }];
      }),
      related(Host, (host) => (hostNews.isNews(host) ? policies.list().map(requestOf) : [])),
      related(Provider, ({ metadata }) => policies.list({ namespace: metadata.namespace ?? "" }).map(requestOf)),
    ],
    reconcile,
  };
}
