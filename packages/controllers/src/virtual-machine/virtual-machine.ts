// The VirtualMachine controller: makes, starts, stops and removes the domain of each VirtualMachine.
//
//   related objects ─┐
//   hypervisor events┼─► look: observe ─► decide (plan.ts) ─► act one step ─┐
//   time ────────────┘      ▲                                                              │
//                           └──────────────────────── until Settle ◄───────────────────────┘
//
// One reconcile runs as many steps as there are to do, so that nothing waits between them; what is remembered across crashes is written
// to the status before the step that needs it.

import {
  forceDeleteAnnotation,
  formatKey,
  ConfigMap,
  findCondition,
  Host,
  Provider,
  discardMemoryAnnotation,
  rebootAnnotation,
  resetAnnotation,
  restartAnnotation,
  Secret,
  StoragePool,
  virtualMachineFinalizer,
  VirtualMachine,
  VirtualNetwork,
  VMClass,
  VMImage,
  VMNetworkAttachment,
  VMSnapshot,
  Volume,
} from "@vivarium/api";
import { isProviderError, ProviderError } from "@vivarium/provider";
import type { Provider as OpenProvider } from "@vivarium/provider";
import { ensureFinalizer, removeFinalizer, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { sshKeysConfigMap } from "../cloud-init.ts";
import { effectiveProvider, isSameProvider } from "../effective-provider.ts";
import type { HostKey, ProviderKey, ProviderRegistry } from "../provider-registry.ts";
import { findAddresses } from "./address-lookup.ts";
import { resolveBuild } from "./build.ts";
import { withDeadline } from "../deadline.ts";
import {
  adoptionOf,
  domainUidOf,
  fieldsNotApplied,
  gracefulTimeoutOf,
  identityOf,
  resolveDefinition,
  resolveProvider,
} from "./definition.ts";
import type { RelatedObjects, ResolvedVm } from "./definition.ts";
import { eventOfStep, eventOfStop, eventsOfStatus } from "./events.ts";
import type { VmEvent } from "./events.ts";
import type { HotMemory } from "./hot-plan.ts";
import type { HotReport } from "./hot-status.ts";
import { isHotStep, takeHotStep, tidyDevices } from "./hot-steps.ts";
import type { HotStep } from "./hot-steps.ts";
import { HostChooser } from "./host-chooser.ts";
import { Look } from "./look.ts";
import { MacLedger } from "./mac-ledger.ts";
import { isMacDue, macsOf } from "./macs.ts";
import { forgetRun, newMemory, nextFailure } from "./memory.ts";
import type { DeviceMemory, VmMemory } from "./memory.ts";
import { decideAdopted } from "./adopted-plan.ts";
import { decide, stepKey } from "./plan.ts";
import type { BuildPlan, PlanInput, Resolved, Seen, Situation, Step } from "./plan.ts";
import {
  appliedFrom,
  changedFields,
  recordDefined,
  recordDisks,
  recordNics,
  recordPlacement,
  recordRunning,
  sizesAfter,
  withoutRevert,
} from "./record.ts";
import type { VmRecord } from "./record.ts";
import { isBeingSnapshotted, resolveRevert, snapshotsThatStay } from "./revert-plan.ts";
import { lowPoolOf } from "./pool.ts";
import { relatedToVirtualMachines } from "./related.ts";
import { requestOf } from "../request-of.ts";
import { readRecord, statusOf } from "./status.ts";
import { act, actOnDevice, aimOf, changesDomain, probeBoot, stepDeadlineMs } from "./steps.ts";
import { recordRequest } from "./run-state-plan.ts";
import type { RunRequests } from "./run-state-plan.ts";
import { isShareLeft, pendingText, recordSize } from "./size-plan.ts";
import { actOnSize } from "./size-steps.ts";
import { recordStop } from "./stop.ts";
import { connectionOfVm, hasSeveralHosts, hostOfVm, isOnlyHost } from "../vm-host.ts";

export interface VirtualMachineControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  readonly concurrency?: number;
}

const observeDeadlineMs = 20_000;
/** After a start of the server the connections need a moment: not seen yet is not worth a status. */
const graceMs = 5_000;
/** More steps than any VM needs in a row: a plan that never settles is a bug, and is not allowed to spin. */
const mostSteps = 100;

export function createVirtualMachineController(options: VirtualMachineControllerOptions): Controller {
  const { manager, providers, clock, random = Math.random } = options;
  const machines = manager.cache(VirtualMachine);
  const providerObjects = manager.cache(Provider);
  const classes = manager.cache(VMClass);
  const images = manager.cache(VMImage);
  const networks = manager.cache(VMNetworkAttachment);
  const virtualNetworks = manager.cache(VirtualNetwork);
  const volumes = manager.cache(Volume);
  const snapshots = manager.cache(VMSnapshot);
  const pools = manager.cache(StoragePool);
  const hosts = manager.cache(Host);
  const secrets = manager.cache(Secret);
  const configMaps = manager.cache(ConfigMap);
  const memories = new Map<string, VmMemory>();
  const macLedger = new MacLedger();
  /** By UUID of the domain. */
  const requestsByUid = new Map<string, ReconcileRequest>();
  const domainUids = new Map<string, string>();
  const relatedObjects: RelatedObjects = {
    providers: () => providerObjects.list(),
    provider: (key) => providerObjects.get(key),
    vmClass: (key) => classes.get(key),
    image: (key) => images.get(key),
    network: (key) => networks.get(key),
    virtualNetwork: (key) => virtualNetworks.get(key),
    volume: (key) => volumes.get(key),
    pool: (key) => pools.get(key),
    machines: () => machines.list(),
  };

  const chooser = new HostChooser({
    hosts,
    machines,
    related: relatedObjects,
    isOn: (vm, { metadata }) => isOn(vm, { namespace: metadata.namespace ?? "", name: metadata.name }),
  });

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const first = machines.get(request);
    if (first === undefined) {
      forget(request);
      return undefined;
    }
    const look = new Look(first, memoryOf(request, first), context);
    for (let count = 0; count < mostSteps; count++) {
      const vm = machines.get(request);
      if (vm === undefined || vm.metadata.uid !== first.metadata.uid) return { requeueAfterMs: 0 };
      look.turnTo(vm);
      await observe(look);
      tidyDevices(look);
      const input = planInputOf(look);
      const step = input.adopted === undefined ? decide(input) : decideAdopted(input, input.adopted);
      if (step.kind === "Settle") return settle(look, { ...step, input });
      const held = heldBack(look, step);
      if (held !== undefined) return settle(look, { situation: held, input });
      const failure = await take(look, { step, input });
      if (failure !== undefined) return settle(look, { situation: failure, input });
      if (step.kind === "RemoveFinalizer") return undefined;
    }
    throw new Error(`Cannot settle VM "${request.namespace}/${request.name}": ${mostSteps} steps led nowhere`);
  }

  function memoryOf(request: ReconcileRequest, vm: VirtualMachine): VmMemory {
    const id = formatKey(request);
    const uid = vm.metadata.uid ?? "";
    const found = memories.get(id);
    if (found?.uid === uid) return found;
    unwatch(id);
    if (found !== undefined) macLedger.forget(found.uid);
    const made = newMemory(uid, clock.now());
    memories.set(id, made);
    domainUids.set(id, domainUidOf(vm));
    requestsByUid.set(domainUidOf(vm), request);
    return made;
  }

  function forget(request: ReconcileRequest): void {
    unwatch(formatKey(request));
    const memory = memories.get(formatKey(request));
    if (memory !== undefined) {
      macLedger.forget(memory.uid);
      chooser.forget(memory.uid);
    }
    memories.delete(formatKey(request));
  }

  function unwatch(id: string): void {
    const uid = domainUids.get(id);
    if (uid !== undefined) requestsByUid.delete(uid);
    domainUids.delete(id);
  }

  async function observe(look: Look): Promise<void> {
    const { vm, memory } = look;
    const resolved = resolveProvider(vm, relatedObjects, look.record.madeOn);
    look.provider = resolved;
    const object = resolved.ok ? resolved.value : resolved.made;
    look.providerKey = object && { namespace: object.metadata.namespace ?? "", name: object.metadata.name };
    const connection = object && connectionOfVm(bound(look), object);
    look.host = object && hostOfVm(bound(look), object);
    look.open = connection && providers.get(connection);
    if (object !== undefined && connection === undefined) {
      // Not bound to any of several hosts yet: nothing of it can be anywhere.
      look.seen = { kind: "absent", volumes: [] };
      look.isStale = true;
      return;
    }
    if (look.seen !== undefined && !look.isStale) return;
    look.seen = await see(look);
    look.isStale = false;
    if (look.seen.kind !== "unavailable") {
      memory.hasBeenObserved = true;
      if (memory.failure?.step === "Observe") memory.failure = undefined;
    }
    if (look.seen.kind !== "present") return;
    switch (look.seen.power) {
      case "off":
      case "crashed":
        return;
      case "running":
      case "paused":
      case "suspended":
      case "shutting-down":
        await findAddresses(look, clock);
        look.record = recordRunning(look.record, {
          nowMs: clock.now(),
          isStopWanted: isOffWanted(vm) || isRestartPending(look),
          isPauseOver: look.seen.power === "running" && vm.spec.powerState !== "Paused",
          hasAddress: memory.addresses.length > 0,
        });
    }
  }

  async function see(look: Look): Promise<Seen> {
    const { open, providerKey } = look;
    if (open === undefined) return { kind: "unavailable", error: notOpen(providerKey, look.host) };
    const identity = identityOf(look.vm);
    try {
      return await withDeadline((signal) => open.compute.observe(identity, { signal }), {
        clock,
        what: `look at VM "${identity.name}"`,
        deadlineMs: observeDeadlineMs,
        signal: look.context.signal,
      });
    } catch (error) {
      if (!isProviderError(error)) throw error;
      return { kind: "unavailable", error };
    }
  }

  function notOpen(key: ProviderKey | undefined, host?: string): ProviderError {
    if (key === undefined) return new ProviderError("Unavailable", "No Provider can be told for this VM");
    const provider = providerObjects.get(key);
    if (host !== undefined && provider !== undefined && !isOnlyHost(provider, host)) {
      const found = hosts.get({ namespace: key.namespace, name: host });
      const state = findCondition(found?.status?.conditions, "Ready");
      const why =
        found === undefined ? "is none of its hosts" : `is not connected: ${state?.message ?? "not tried yet"}`;
      return new ProviderError("Unavailable", `Host "${host}" of Provider "${key.namespace}/${key.name}" ${why}`);
    }
    const ready = providerObjects.get(key)?.status?.conditions?.find((each) => each.type === "Ready");
    const why = ready?.status === "False" ? `: ${ready.message}` : "";
    return new ProviderError("Unavailable", `Provider "${key.namespace}/${key.name}" is not connected${why}`);
  }

  function planInputOf(look: Look): PlanInput {
    const { vm, record, memory } = look;
    const seen: Seen = look.seen ?? { kind: "unavailable", error: notOpen(look.providerKey) };
    const provider = look.provider ?? { ok: false, problems: [] };
    const adopted = adoptionOf(vm);
    // What an adopted domain is made of is nobody's to resolve.
    const resolved: Resolved<ResolvedVm> =
      adopted === undefined
        ? resolveDefinition(vm, { ...relatedObjects, macs: record.macs, leased: memory.addresses }, provider)
        : { ok: false, problems: provider.ok ? [] : provider.problems };
    const timeout = gracefulTimeoutOf(vm);
    const restartRequest = vm.metadata.annotations?.[restartAnnotation];
    look.resolved = resolved;
    const object = provider.ok ? provider.value : look.provider?.made;
    const hostChoice = object && chooser.choose(bound(look), object);
    const { namespace = "" } = vm.metadata;
    const revert = resolveRevert(vm, (name) => snapshots.get({ namespace, name }));
    const isDeleting = vm.metadata.deletionTimestamp !== undefined;
    return {
      nowMs: clock.now(),
      generation: vm.metadata.generation ?? 0,
      hasFinalizer: vm.metadata.finalizers?.includes(virtualMachineFinalizer) ?? false,
      isDeleting,
      ...(isDeleting ? { stayingSnapshots: snapshotsThatStay(vm, snapshots.list({ namespace })) } : {}),
      ...(revert === undefined ? {} : { revert }),
      isBeingSnapshotted: isBeingSnapshotted(vm, snapshots.list({ namespace })),
      isForcedDelete: vm.metadata.annotations?.[forceDeleteAnnotation] === "true",
      power: vm.spec.powerState ?? "On",
      gracefulTimeoutMs: timeout.ok ? timeout.value : 60_000,
      ...(restartRequest === undefined ? {} : { restartRequest }),
      requests: requestsOf(vm),
      record,
      ...(adopted === undefined ? {} : { adopted }),
      expectsAddress: resolved.ok ? resolved.value.expectsAddress : seen.kind === "present" && seen.nics.length > 0,
      ...(look.providerKey === undefined ? {} : { provider: formatKey(look.providerKey) }),
      ...(hostChoice === undefined ? {} : { hostChoice }),
      definition: withProblemsOf(withProblemsOf(definitionOf(resolved), timeout), boundElsewhere(look, object)),
      dataDisks: resolved.ok ? resolved.value.dataDisks : [],
      diskSizes: resolved.ok ? resolved.value.diskSizes : [],
      ...(look.open?.hotplug === undefined ? {} : { hotDisks: hotMemoryOf(memory.disks) }),
      ...(look.open?.nics === undefined ? {} : { hotNics: hotMemoryOf(memory.nics) }),
      isMacDue: isMacDue(vm, record),
      build:
        adopted === undefined && isBuildNeeded(look, seen)
          ? look.build(() => buildOf(look, resolved))
          : { ok: false, problems: [] },
      ...(look.open?.sizing === undefined
        ? {}
        : {
            sizing: {
              ...(memory.memoryAskedAtMs === undefined ? {} : { memoryAskedAtMs: memory.memoryAskedAtMs }),
              retryAtMs: hotMemoryOf(memory.size).retryAtMs,
            },
          }),
      seen,
      addresses: memory.addresses,
      ...(memory.shutdownAskedAtMs === undefined ? {} : { shutdownAskedAtMs: memory.shutdownAskedAtMs }),
      ...(memory.bootProbe === undefined ? {} : { bootProbe: memory.bootProbe }),
      done: look.done,
    };
  }

  function buildOf({ vm, provider, record }: Look, resolved: Resolved<ResolvedVm>): Resolved<BuildPlan> {
    // What was begun is ended: its disks may be there already.
    const low =
      record.madeOn === undefined && provider?.ok === true
        ? lowPoolOf(provider.value, { pools: pools.list(), providers: providerObjects.list() })
        : undefined;
    if (low !== undefined) return { ok: false, problems: [low] };
    return resolveBuild(vm, resolved, {
      related: relatedObjects,
      provider: provider?.ok === true ? provider.value : undefined,
      secret: (key) => secrets.get(key),
      sshKeys: configMaps.get(sshKeysConfigMap),
    });
  }

  function isBuildNeeded(look: Look, seen: Seen): boolean {
    if (look.vm.metadata.deletionTimestamp !== undefined) return false;
    return seen.kind === "absent" || look.providerKey === undefined;
  }

  /**
   * A step that failed a moment ago is not tried before its time, whatever woke us, nor are those that lead to it: a define that goes
   * well before a start that fails makes an event, and that would wake us again.
   */
  function heldBack({ memory, vm }: Look, step: Step): Situation | undefined {
    const { failure } = memory;
    if (failure === undefined || failure.step === "Observe") return undefined;
    const aim = aimOf[step.kind];
    if (aim === "record" || aimOf[failure.step] !== aim) return undefined;
    if (failure.generation !== (vm.metadata.generation ?? 0) || failure.retryAtMs <= clock.now()) return undefined;
    return { kind: "StepFailed", step: failure.step, error: failure.error };
  }

  /** Does one step. Gives what went wrong at the provider; throws what went wrong elsewhere. */
  async function take(
    look: Look,
    { step, input }: { readonly step: Exclude<Step, { kind: "Settle" }>; readonly input: PlanInput },
  ): Promise<Situation | undefined> {
    const { context, memory } = look;
    const facts = {
      record: look.record,
      wasAbsent: input.seen.kind === "absent",
      isRestart: look.record.restartStoppedFor !== undefined,
    };
    const logged = {
      step: step.kind,
      vm: formatKey(requestOf(look.vm)),
      ...("disk" in step ? { disk: step.disk.name } : {}),
    };
    try {
      context.log.info({ ...logged, phase: "start" }, "step");
      if (isHotStep(step, input.seen)) {
        if (look.open === undefined) throw notOpen(look.providerKey);
        const run = hotRunOf(look, { step, open: look.open, input });
        const isDone = await takeHotStep(look, step, { run, clock, random });
        if (!isDone) return undefined;
      } else await perform(look, { step, input });
      context.log.info({ ...logged, phase: "done" }, "step");
    } catch (error) {
      if (!isProviderError(error)) throw error;
      context.log.warn({ ...logged, phase: "failed", err: error }, "step failed");
      const generation = look.vm.metadata.generation ?? 0;
      memory.failure = nextFailure(memory.failure, { step: step.kind, error, generation, nowMs: clock.now(), random });
      return { kind: "StepFailed", step: step.kind, error };
    }
    if (memory.failure?.step === step.kind) memory.failure = undefined;
    look.done.add(stepKey(step));
    tell(look.vm, eventOfStep(step, facts));
    return undefined;
  }

  function hotRunOf(
    look: Look,
    { step, open, input }: { readonly step: HotStep; readonly open: OpenProvider; readonly input: PlanInput },
  ): (signal: AbortSignal) => Promise<void> {
    const vm = identityOf(look.vm);
    switch (step.kind) {
      case "AllocateMacs":
        return async (signal) => {
          await giveMacs(look, { open, signal });
          await flush(look, step.kind, input);
        };
      case "EnsureDataDisk":
        return (signal) => act(open, step, { vm, macs: [], signal });
      case "SetMemory":
        look.memory.memoryAskedAtMs = clock.now();
        return (signal) => actOnSize(open, step, { vm, signal });
      case "AddCpus":
      case "SetLimits":
      case "SetStartOnBoot":
        return (signal) => actOnSize(open, step, { vm, signal });
      default:
        return (signal) => actOnDevice(open, step, { vm, signal });
    }
  }

  /** Two VMs are looked at at once: what is chosen is claimed before it is written. */
  async function giveMacs(
    look: Look,
    { open, signal }: { readonly open: OpenProvider; readonly signal: AbortSignal },
  ): Promise<void> {
    const { vm } = look;
    const onHost = (await open.nics?.listMacs({ signal })) ?? [];
    const given = macLedger.give(vm, { record: look.record, machines: machines.list(), onHost });
    if (!given.ok) {
      throw new ProviderError("Conflict", `Cannot give VM "${vm.metadata.name}" its MAC addresses: ${given.why}`);
    }
    look.remember({ ...look.record, macs: given.macs });
  }

  async function perform(
    look: Look,
    { step, input }: { readonly step: Exclude<Step, { kind: "Settle" }>; readonly input: PlanInput },
  ): Promise<void> {
    const { vm, memory, context, open } = look;
    const nowMs = clock.now();
    switch (step.kind) {
      case "AddFinalizer":
        await ensureFinalizer(
          manager.client,
          { type: VirtualMachine, object: vm, finalizer: virtualMachineFinalizer },
          context,
        );
        tellNotApplied(vm);
        return;
      case "RecordPlacement": {
        const sizes = sizesAfter(look.record, input.diskSizes);
        const applied = appliedFrom(step.definition, input.generation, sizes);
        look.remember({
          ...recordPlacement(look.record, { provider: step.provider, applied, nowMs }),
          ...onHost(look),
        });
        await flush(look, step.kind, input);
        return;
      }
      case "BindHost":
        chooser.bind(vm, step.host);
        look.remember({ ...look.record, host: step.host });
        await flush(look, step.kind, input);
        return;
      case "RecordAdoption":
        look.remember({ ...look.record, ...onHost(look), madeOn: step.provider, adoptedUuid: step.uuid });
        await flush(look, step.kind, input);
        return;
      case "RecordDisks": {
        // Not of those that wait until the VM is off.
        const had = new Set(look.record.applied?.disks);
        const sizes = sizesAfter(
          look.record,
          input.diskSizes.filter(({ name }) => !had.has(name) || look.done.has(`GrowDisk/${name}`)),
        );
        look.remember(recordDisks(look.record, { definition: step.definition, sizes, nowMs }));
        return;
      }
      case "RecordNics": {
        const gone = (look.record.applied?.macs ?? []).filter((mac) => !macsOf(vm).includes(mac));
        look.remember(recordNics(look.record, { definition: step.definition, nowMs }));
        if (gone.length === 0 || open === undefined) return;
        await ignoreProviderError(open.addresses.release(gone, { signal: context.signal }), context);
        return;
      }
      case "AllocateMacs":
        if (open === undefined) throw notOpen(look.providerKey);
        // Written with the placement, before anything is made.
        await withDeadline((signal) => giveMacs(look, { open, signal }), {
          clock,
          what: `choose MAC addresses for VM "${vm.metadata.name}"`,
          deadlineMs: observeDeadlineMs,
          signal: context.signal,
        });
        return;
      case "AttachDisk":
      case "RequestDetach":
      case "TuneDisk":
      case "AttachNic":
      case "RequestNicDetach":
      case "TuneNic":
      case "AddCpus":
      case "SetMemory":
      case "SetLimits":
      case "SetStartOnBoot":
        throw new Error(`Cannot take step ${step.kind} of a VM that is not running`);
      case "RecordStop": {
        const found = { power: step.power, reason: step.reason };
        const { restartRequest, power } = input;
        const asked = restartRequest === undefined ? {} : { restartRequest };
        const had = look.record.lastStop;
        look.remember(recordStop({ nowMs, power, ...asked, record: look.record, found }));
        if (look.record.lastStop !== had) tell(vm, eventOfStop(look.record, power));
        forgetRun(memory);
        return;
      }
      case "RecordShutdownRequest":
        // The status keeps whole seconds; the guest gets its time in full.
        look.remember({ ...look.record, shutdownRequestedAtMs: Math.ceil(nowMs / 1000) * 1000 });
        return;
      case "RecordRevert":
        look.remember({ ...look.record, revert: step.revert });
        return;
      case "ForgetRevert":
        look.remember(withoutRevert(look.record));
        return;
      case "ClearRevert":
        if (look.mustWrite) await flush(look, step.kind, input);
        await clearRevert(look);
        return;
      case "RecordSize":
        look.remember(recordSize(look.record, { fields: step.fields, nowMs }));
        return;
      case "RecordPause":
        look.remember({ ...look.record, isPausedByUs: true });
        return;
      case "RecordVoidRequest":
        look.remember(recordRequest(look.record, step.what, step.request));
        return;
      case "RecordBootRetry":
        look.remember({ ...look.record, bootRetry: "wanted" });
        return;
      case "ProbeBoot":
        if (open === undefined) throw notOpen(look.providerKey);
        memory.bootProbe = await probe(look, open);
        return;
      case "RemoveFinalizer":
        if (input.adopted === undefined)
          tell(vm, { type: "Normal", reason: "Deleted", message: "Domain, volumes and leases are removed" });
        await removeFinalizer(
          manager.client,
          { type: VirtualMachine, object: vm, finalizer: virtualMachineFinalizer },
          context,
        );
        return;
      case "Check":
      case "EnsureRootDisk":
      case "EnsureDataDisk":
      case "WriteSeed":
      case "Define":
      case "GrowDisk":
      case "Pause":
      case "Resume":
      case "Suspend":
      case "DiscardMemory":
      case "Reboot":
      case "Reset":
      case "Revert":
      case "Start":
      case "RequestShutdown":
      case "ForceOff":
      case "Adopt":
      case "Release":
      case "DestroyAdopted":
      case "Undefine":
      case "RemoveVolumes":
      case "ReleaseLeases": {
        if (open === undefined) throw notOpen(look.providerKey);
        if (look.mustWrite || (input.isDeleting && vm.status?.phase !== "Deleting"))
          await flush(look, step.kind, input);
        if (changesDomain[step.kind]) look.isStale = true;
        if (step.kind === "RequestShutdown") memory.shutdownAskedAtMs = nowMs;
        if (step.kind === "Revert") forgetRun(memory);
        if (step.kind === "Start") {
          forgetRun(memory);
          memory.isFreshStart = look.record.lastStop !== undefined && !step.isFromMemory;
        }
        const macs = [...new Set([...(look.record.applied?.macs ?? []), ...macsOf(vm)])];
        const acted = withDeadline((signal) => act(open, step, { vm: identityOf(vm), macs, signal }), {
          clock,
          what: `${step.kind} of VM "${vm.metadata.name}"`,
          deadlineMs: stepDeadlineMs[step.kind],
          signal: context.signal,
        });
        // Before a start it is a courtesy: a lease that stays is no reason to stay off.
        await (step.kind === "ReleaseLeases" && !input.isDeleting ? ignoreProviderError(acted, context) : acted);
        if (step.kind === "Define") look.record = recordDefined(look.record);
        if (step.kind === "Revert") {
          look.remember({ ...look.record, revert: { ...step.revert, isDone: true } });
          await flush(look, step.kind, input);
        }
        if (step.kind === "Reboot") look.remember(recordRequest(look.record, "reboot", step.request));
        if (step.kind === "Reset") look.remember(recordRequest(look.record, "reset", step.request));
        if (step.kind === "DiscardMemory") look.remember(recordRequest(look.record, "discardMemory", step.request));
      }
    }
  }

  /** Only the wish that was carried out: one that was written since is another. */
  async function clearRevert({ vm, context }: Look): Promise<void> {
    const { namespace = "", name, uid, resourceVersion } = vm.metadata;
    const patch = { metadata: { uid, resourceVersion }, spec: { snapshot: { revertToRef: null } } };
    await manager.client.mergePatch(VirtualMachine, { namespace, name }, patch, { signal: context.signal });
  }

  /** What cannot be looked at counts as alive: only a boot known to be silent is cut short. */
  async function probe({ vm, context }: Look, open: OpenProvider): Promise<"silent" | "alive"> {
    try {
      return await withDeadline((signal) => probeBoot(open, identityOf(vm), { signal }), {
        clock,
        what: `look for signs of life of VM "${vm.metadata.name}"`,
        deadlineMs: observeDeadlineMs,
        signal: context.signal,
      });
    } catch (error) {
      if (!isProviderError(error)) throw error;
      return "alive";
    }
  }

  /** Writes what must be known to a successor before the step begins. */
  async function flush(look: Look, step: Step["kind"], input: PlanInput): Promise<void> {
    const requestedAtMs = look.record.shutdownRequestedAtMs;
    const situation: Situation =
      step === "RequestShutdown" && requestedAtMs !== undefined
        ? { kind: "ShuttingDown", deadlineMs: requestedAtMs + input.gracefulTimeoutMs }
        : { kind: "Working", step };
    await write(look, { situation, input });
    look.mustWrite = false;
  }

  async function write(
    look: Look,
    {
      situation,
      input,
      retryAtMs,
    }: { readonly situation: Situation; readonly input: PlanInput; readonly retryAtMs?: number },
  ): Promise<void> {
    const { vm, memory, resolved } = look;
    const status = statusOf({
      vm,
      record: look.record,
      situation,
      seen: input.seen,
      addresses: memory.addresses,
      nowMs: clock.now(),
      ...(retryAtMs === undefined ? {} : { retryAtMs }),
      failures: memory.failure?.count ?? 0,
      pendingFields: pendingFieldsOf(look.record, input, resolved),
      size: {
        definition: input.definition,
        memoryAskedAtMs: memory.memoryAskedAtMs,
        failures: [...memory.size.failures.values()],
        nowMs: clock.now(),
      },
      disks: {
        definition: input.definition,
        record: look.record,
        sizes: input.diskSizes,
        ...hotReportOf(memory.disks, clock.now()),
      },
      nics: {
        definition: input.definition,
        record: look.record,
        addresses: memory.addresses,
        failuresByKey: memory.nics.failures,
        ...hotReportOf(memory.nics, clock.now()),
      },
    });
    look.vm = await writeStatus(manager.client, { type: VirtualMachine, object: vm, status }, look.context);
    for (const event of eventsOfStatus(vm, status)) tell(vm, event);
  }

  async function settle(
    look: Look,
    {
      situation,
      lookAgainAtMs,
      input,
    }: { readonly situation: Situation; readonly lookAgainAtMs?: number; readonly input: PlanInput },
  ): Promise<ReconcileResult> {
    const { memory, vm } = look;
    const nowMs = clock.now();
    switch (situation.kind) {
      case "Gone":
        return undefined;
      case "Unavailable":
      case "DeleteUnavailable": {
        if (!memory.hasBeenObserved && nowMs - memory.firstLookMs < graceMs) return { requeueAfterMs: 500 };
        const { error } = situation;
        const generation = vm.metadata.generation ?? 0;
        const isDue = memory.failure?.step !== "Observe" || memory.failure.retryAtMs <= nowMs;
        if (isDue) {
          memory.failure = nextFailure(memory.failure, { step: "Observe", error, generation, nowMs, random });
        }
        break;
      }
      case "StepFailed":
        break;
      default:
        if (memory.failure?.step !== "Observe") memory.failure = undefined;
    }
    const retryAtMs = memory.failure?.retryAtMs;
    await write(look, { situation, input, ...(retryAtMs === undefined ? {} : { retryAtMs }) });
    const atMs = retryAtMs ?? lookAgainAtMs;
    return atMs === undefined ? undefined : { requeueAfterMs: Math.max(0, atMs - clock.now()) };
  }

  function tell(vm: VirtualMachine, event: VmEvent | undefined): void {
    if (event !== undefined) manager.recorder.record(vm, event);
  }

  function tellNotApplied(vm: VirtualMachine): void {
    const fields = fieldsNotApplied(vm);
    if (fields.length === 0) return;
    tell(vm, { type: "Warning", reason: "NotApplied", message: `Accepted, but not applied: ${fields.join(", ")}` });
  }

  /** Something happened at the hypervisor: what failed there may go well now. */
  function stir(request: ReconcileRequest): void {
    const memory = memories.get(formatKey(request));
    if (memory !== undefined) memory.isStirred = true;
  }

  function isOn(vm: VirtualMachine, key: ProviderKey): boolean {
    const madeOn = readRecord(vm.status).madeOn;
    if (madeOn !== undefined) return madeOn === formatKey(key);
    const effective = effectiveProvider(vm, providerObjects.list());
    return effective.kind === "found" && isSameProvider(effective.key, key);
  }

  /** And not on another host of it. */
  function machinesOn(key: HostKey): readonly ReconcileRequest[] {
    const provider = providerObjects.get(key);
    return machines.list().flatMap((vm) => {
      const host = provider && hostOfVm(vm, provider);
      const isElsewhere =
        provider !== undefined && hasSeveralHosts(provider) && host !== undefined && host !== key.host;
      return !isElsewhere && isOn(vm, key) ? [requestOf(vm)] : [];
    });
  }

  return {
    name: "virtual-machine",
    for: VirtualMachine,
    related: relatedToVirtualMachines(machines, networks),
    sources: [
      (enqueue, { signal }) => {
        providers.subscribe(
          ({ provider, event }) => {
            switch (event.kind) {
              case "connected":
                for (const request of machinesOn(provider)) {
                  const memory = memories.get(formatKey(request));
                  if (memory !== undefined) memory.failure = undefined;
                  stir(request);
                  enqueue(request);
                }
                break;
              case "disconnected":
                for (const request of machinesOn(provider)) enqueue(request);
                break;
              case "pool":
              case "network":
                break;
              case "vm": {
                const request = requestsByUid.get(event.uid);
                if (request === undefined) break;
                stir(request);
                enqueue(request);
              }
            }
          },
          { signal },
        );
      },
    ],
    concurrency: options.concurrency ?? 8,
    reconcile,
  };
}

/** The VM as it is remembered, which may be ahead of its status. */
function bound({ vm, record }: Look): VirtualMachine {
  if (record.host === undefined || vm.status?.host === record.host) return vm;
  return { ...vm, status: { ...vm.status, host: record.host } };
}

/** The host goes on record with the placement. */
function onHost({ host }: Look): { readonly host?: string } {
  return host === undefined ? {} : { host };
}

/** A VM stays on its host, so a host that is named later is a problem. */
function boundElsewhere({ vm, record }: Look, provider: Provider | undefined): Resolved<undefined> {
  const wanted = vm.spec.placement?.host;
  const isBound = record.host !== undefined && provider !== undefined && hasSeveralHosts(provider);
  if (!isBound || wanted === undefined || wanted === record.host) return { ok: true, value: undefined };
  const message = `spec.placement.host names "${wanted}", but this VM is bound to host "${record.host}" and cannot be moved: name that one, or delete and create the VM`;
  return { ok: false, problems: [{ reason: "InvalidSpec", message }] };
}

async function ignoreProviderError(acted: Promise<void>, { log }: ReconcileContext): Promise<void> {
  try {
    await acted;
  } catch (error) {
    if (!isProviderError(error)) throw error;
    log.info({ err: error }, "leases were not given back");
  }
}

function isOffWanted({ spec }: VirtualMachine): boolean {
  return spec.powerState === "Off" || spec.powerState === "OffGraceful";
}

function requestsOf({ metadata }: VirtualMachine): RunRequests {
  const reboot = metadata.annotations?.[rebootAnnotation];
  const reset = metadata.annotations?.[resetAnnotation];
  const discardMemory = metadata.annotations?.[discardMemoryAnnotation];
  return {
    ...(reboot === undefined ? {} : { reboot }),
    ...(reset === undefined ? {} : { reset }),
    ...(discardMemory === undefined ? {} : { discardMemory }),
  };
}

function hotMemoryOf({ detachAskedAtMs, failures }: DeviceMemory): HotMemory {
  return { detachAskedAtMs, retryAtMs: new Map([...failures].map(([key, { retryAtMs }]) => [key, retryAtMs])) };
}

function hotReportOf({ detachAskedAtMs, failures }: DeviceMemory, nowMs: number): HotReport {
  return { detachAskedAtMs, failures: [...failures.values()], nowMs };
}

function isRestartPending({ vm, record }: Look): boolean {
  const request = vm.metadata.annotations?.[restartAnnotation];
  return request !== undefined && request !== record.lastRestartRequest && request !== record.restartStoppedFor;
}

function definitionOf(resolved: Resolved<ResolvedVm>): PlanInput["definition"] {
  return resolved.ok ? { ok: true, value: resolved.value.definition } : resolved;
}

function withProblemsOf(definition: PlanInput["definition"], other: Resolved<unknown>): PlanInput["definition"] {
  if (other.ok) return definition;
  return { ok: false, problems: [...(definition.ok ? [] : definition.problems), ...other.problems] };
}

function pendingFieldsOf(
  record: VmRecord,
  { seen }: PlanInput,
  resolved: Resolved<ResolvedVm> | undefined,
): readonly string[] | undefined {
  if (seen.kind !== "present" || record.applied === undefined) return [];
  if (resolved?.ok !== true) return undefined;
  const { definition } = resolved.value;
  const fields = changedFields(record.applied, definition).map((field) => pendingText(field, definition, seen));
  return isShareLeft(definition, seen) ? [...fields, "cpuShares"] : fields;
}
