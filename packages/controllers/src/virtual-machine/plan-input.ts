// The second half of a look: what is declared, resolved through all that the VM refers to, beside what is remembered and seen. It is all
// that the plan is given.

import {
  discardMemoryAnnotation,
  forceDeleteAnnotation,
  formatKey,
  rebootAnnotation,
  resetAnnotation,
  restartAnnotation,
  virtualMachineFinalizer,
} from "@vivarium/api";
import type { VirtualMachine } from "@vivarium/api";
import { sshKeysConfigMap } from "../cloud-init.ts";
import { usersOfSnapshot } from "../vm-clone/clone-users.ts";
import { checkBinding, hostChoiceOf } from "./binding.ts";
import { notOpen } from "./connection.ts";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";
import type { DeviceMemory } from "./memory.ts";
import type { HotMemory } from "./plan/hot-plan.ts";
import type { BuildPlan, PlanInput, Resolved, Seen } from "./plan/input.ts";
import { isBeingSnapshotted, resolveRevert, snapshotsThatStay } from "./plan/revert-plan.ts";
import type { RunRequests } from "./plan/run-state-plan.ts";
import { resolveBuild } from "./resolve/build.ts";
import { adoptionOf, gracefulTimeoutOf, resolveDefinition } from "./resolve/definition.ts";
import type { ResolvedVm } from "./resolve/definition.ts";
import { isMacDue } from "./resolve/macs.ts";
import { lowPoolOf } from "./resolve/pool.ts";

export function planInputOf(context: VmContext, look: Look): PlanInput {
  const { vm, record, memory } = look;
  const seen: Seen = look.seen ?? { kind: "unavailable", error: notOpen(context, look) };
  const provider: NonNullable<Look["provider"]> = look.provider ?? { ok: false, problems: [] };
  const object = provider.ok ? provider.value : provider.made;
  const adopted = adoptionOf(vm);
  // What an adopted domain is made of is nobody's to resolve.
  const resolved: Resolved<ResolvedVm> =
    adopted === undefined
      ? resolveDefinition(vm, { ...context.related, macs: record.macs, leased: memory.addresses }, provider)
      : { ok: false, problems: provider.ok ? [] : provider.problems };
  look.resolved = resolved;
  const timeout = gracefulTimeoutOf(vm);
  const isKnown = resolved.ok || adopted !== undefined || vm.metadata.deletionTimestamp !== undefined;
  const hostChoice = isKnown ? hostChoiceOf(context, look, object) : undefined;
  return {
    nowMs: context.clock.now(),
    generation: vm.metadata.generation ?? 0,
    hasFinalizer: vm.metadata.finalizers?.includes(virtualMachineFinalizer) ?? false,
    ...deletionOf(context, vm),
    ...snapshotsOf(context, vm),
    power: vm.spec.powerState ?? "On",
    powerCyclePolicy: vm.spec.lifecycle?.reconfigurePolicy ?? "Manual",
    gracefulTimeoutMs: timeout.ok ? timeout.value : 60_000,
    ...requestsOf(vm),
    record,
    ...(adopted === undefined ? {} : { adopted }),
    expectsAddress: resolved.ok ? resolved.value.expectsAddress : seen.kind === "present" && seen.nics.length > 0,
    ...(look.providerKey === undefined ? {} : { provider: formatKey(look.providerKey) }),
    ...(hostChoice === undefined ? {} : { hostChoice }),
    definition: definitionOf(resolved, [timeout, checkBinding(look, object)]),
    dataDisks: resolved.ok ? resolved.value.dataDisks : [],
    diskSizes: resolved.ok ? resolved.value.diskSizes : [],
    ...runningChangesOf(look),
    isMacDue: isMacDue(vm, record),
    build:
      adopted === undefined && isBuildNeeded(look, seen)
        ? look.build(() => buildOf(context, look, resolved))
        : { ok: false, problems: [] },
    seen,
    addresses: memory.addresses,
    ...(memory.shutdownAskedAtMs === undefined ? {} : { shutdownAskedAtMs: memory.shutdownAskedAtMs }),
    ...(memory.bootProbe === undefined ? {} : { bootProbe: memory.bootProbe }),
    done: look.done,
  };
}

function deletionOf(
  { objects }: VmContext,
  vm: VirtualMachine,
): Pick<PlanInput, "isDeleting" | "isForcedDelete" | "stayingSnapshots"> {
  const { namespace = "", deletionTimestamp, annotations } = vm.metadata;
  const isForcedDelete = annotations?.[forceDeleteAnnotation] === "true";
  if (deletionTimestamp === undefined) return { isDeleting: false, isForcedDelete };
  const users = {
    clones: objects.clones.list(),
    machines: objects.machines.list(),
    templates: objects.templates.list(),
  };
  const stayingSnapshots = snapshotsThatStay(vm, objects.snapshots.list({ namespace }), (snapshot) =>
    usersOfSnapshot(snapshot, users),
  );
  return { isDeleting: true, isForcedDelete, stayingSnapshots };
}

function snapshotsOf({ objects }: VmContext, vm: VirtualMachine): Pick<PlanInput, "revert" | "isBeingSnapshotted"> {
  const { namespace = "" } = vm.metadata;
  const revert = resolveRevert(vm, (name) => objects.snapshots.get({ namespace, name }));
  return {
    ...(revert === undefined ? {} : { revert }),
    isBeingSnapshotted: isBeingSnapshotted(vm, objects.snapshots.list({ namespace })),
  };
}

/** What was asked for once, each time by another value. The plan does not ask who wished. */
function requestsOf({ metadata }: VirtualMachine): Pick<PlanInput, "restartRequest" | "requests"> {
  const restartRequest = metadata.annotations?.[restartAnnotation];
  const reboot = metadata.annotations?.[rebootAnnotation];
  const reset = metadata.annotations?.[resetAnnotation];
  const discardMemory = metadata.annotations?.[discardMemoryAnnotation];
  const requests: RunRequests = {
    ...(reboot === undefined ? {} : { reboot }),
    ...(reset === undefined ? {} : { reset }),
    ...(discardMemory === undefined ? {} : { discardMemory }),
  };
  return { ...(restartRequest === undefined ? {} : { restartRequest }), requests };
}

/** What this hypervisor can change of a VM that runs, and how far that is. */
function runningChangesOf({ open, memory }: Look): Pick<PlanInput, "hotDisks" | "hotNics" | "sizing"> {
  const { memoryAskedAtMs } = memory;
  const { retryAtMs } = hotMemoryOf(memory.size);
  return {
    ...(open?.hotplug === undefined ? {} : { hotDisks: hotMemoryOf(memory.disks) }),
    ...(open?.nics === undefined ? {} : { hotNics: hotMemoryOf(memory.nics) }),
    ...(open?.sizing === undefined
      ? {}
      : { sizing: { ...(memoryAskedAtMs === undefined ? {} : { memoryAskedAtMs }), retryAtMs } }),
  };
}

function hotMemoryOf({ detachAskedAtMs, failures }: DeviceMemory): HotMemory {
  return { detachAskedAtMs, retryAtMs: new Map([...failures].map(([key, { retryAtMs }]) => [key, retryAtMs])) };
}

function definitionOf(resolved: Resolved<ResolvedVm>, checks: readonly Resolved<unknown>[]): PlanInput["definition"] {
  const problems = [resolved, ...checks].flatMap((each) => (each.ok ? [] : each.problems));
  if (!resolved.ok || checks.some(({ ok }) => !ok)) return { ok: false, problems };
  return { ok: true, value: resolved.value.definition };
}

function isBuildNeeded({ vm, providerKey }: Look, seen: Seen): boolean {
  if (vm.metadata.deletionTimestamp !== undefined) return false;
  return seen.kind === "absent" || providerKey === undefined;
}

function buildOf(
  { related, objects }: VmContext,
  { vm, provider, record }: Look,
  resolved: Resolved<ResolvedVm>,
): Resolved<BuildPlan> {
  const object = provider?.ok === true ? provider.value : undefined;
  // What was begun is ended: its disks may be there already.
  const low =
    record.madeOn === undefined && object !== undefined
      ? lowPoolOf(object, { pools: objects.pools.list(), providers: objects.providers.list() })
      : undefined;
  if (low !== undefined) return { ok: false, problems: [low] };
  return resolveBuild(vm, resolved, {
    related,
    provider: object,
    secret: (key) => objects.secrets.get(key),
    sshKeys: objects.configMaps.get(sshKeysConfigMap),
  });
}
