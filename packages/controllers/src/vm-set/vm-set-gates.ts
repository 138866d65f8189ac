// The readiness gates of a set: which are tried of which machine, and what is known of them.

import { findCondition, type Provider, type ReadinessGate, type VirtualMachine, type VMSet } from "@vivarium/api";
import type { Cache, Clock, ReconcileRequest } from "@vivarium/runtime";
import { effectiveProvider } from "../effective-provider.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { untriedGate } from "../readiness/gate-plan.ts";
import type { GateState } from "../readiness/gate-plan.ts";
import { GateProber } from "../readiness/gate-prober.ts";
import type { GateTarget } from "../readiness/gate-prober.ts";
import { probeGate } from "../readiness/probe-gate.ts";
import { requestOf } from "../request-of.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { connectionOfVm } from "../vm-host.ts";

export interface GateView extends GateState {
  readonly name: string;
}

export interface VmSetGatesOptions {
  readonly machines: Cache<VirtualMachine>;
  readonly objects: Cache<Provider>;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  /** From 0 to 1: spreads the first tries after a restart of the server. */
  readonly random: () => number;
  readonly onChange: (set: ReconcileRequest) => void;
}

export class VmSetGates {
  readonly #options: VmSetGatesOptions;
  readonly #prober: GateProber;

  constructor(options: VmSetGatesOptions) {
    this.#options = options;
    this.#prober = new GateProber(options);
  }

  /** Tries the gates of these machines from now on, as far as they are Ready. */
  keep(set: VMSet, machines: readonly VirtualMachine[]): void {
    const { clock, random } = this.#options;
    const owner = requestOf(set);
    const gates = set.spec.readinessGates ?? [];
    if (gates.length === 0) return this.#prober.forget(owner);
    // A server that has just begun goes on from what was told, unless something else is asked for meanwhile.
    const isTold = !this.#prober.knows(owner) && set.status?.observedGeneration === set.metadata.generation;
    const targets = machines.filter(isReady).flatMap((vm) =>
      gates.map((gate): GateTarget => {
        const told = isTold ? toldOf(set, vm, gate) : undefined;
        const nowMs = clock.now();
        const periodMs = (gate.periodSeconds ?? 10) * 1000;
        return {
          key: keyOf(vm, gate),
          gate,
          initial: told ?? untriedGate(nowMs),
          firstTryAtMs:
            told === undefined
              ? readySinceMs(vm) + (gate.initialDelaySeconds ?? 0) * 1000
              : nowMs + random() * periodMs,
          probe: (options) => this.#probe(vm, gate, options),
        };
      }),
    );
    this.#prober.keep(owner, targets);
  }

  /** Of a machine that is Ready; none of any other. */
  of(set: VMSet, vm: VirtualMachine): readonly GateView[] {
    if (!isReady(vm)) return [];
    return (set.spec.readinessGates ?? []).map((gate) => ({
      name: gate.name,
      ...(this.#prober.stateOf(requestOf(set), keyOf(vm, gate)) ?? untriedGate(this.#options.clock.now())),
    }));
  }

  forget(set: ReconcileRequest): void {
    this.#prober.forget(set);
  }

  stop(): void {
    this.#prober.stop();
  }

  #probe(old: VirtualMachine, gate: ReadinessGate, options: Parameters<GateTarget["probe"]>[0]) {
    const { machines, objects, providers } = this.#options;
    const vm = machines.get(requestOf(old)) ?? old;
    const effective = effectiveProvider(vm, objects.list());
    const object =
      effective.kind === "found"
        ? objects.get({ namespace: effective.key.namespace, name: effective.key.name })
        : undefined;
    const connection = object && connectionOfVm(vm, object);
    const guest = connection && providers.get(connection)?.guest;
    return probeGate(gate, { address: vm.status?.ips?.[0], identity: identityOf(vm), guest }, options);
  }
}

/** That hold a machine back, and why. */
export function unmetGates(gates: readonly GateView[]): string {
  const unmet = gates.filter((gate) => !gate.isMet);
  return unmet.map(({ name, message }) => `readiness gate "${name}" is not met: ${message}`).join("; ");
}

function isReady({ status, metadata }: VirtualMachine): boolean {
  return (
    metadata.deletionTimestamp === undefined &&
    status?.phase === "Running" &&
    findCondition(status.conditions, "Ready")?.status === "True"
  );
}

function readySinceMs({ status }: VirtualMachine): number {
  return Date.parse(findCondition(status?.conditions, "Ready")?.lastTransitionTime ?? "");
}

function keyOf({ metadata, status }: VirtualMachine, gate: ReadinessGate): string {
  return JSON.stringify([metadata.uid, status?.startedAt, gate]);
}

/** What the set's status says of this run of the machine. */
function toldOf(set: VMSet, { metadata, status }: VirtualMachine, gate: ReadinessGate): GateState | undefined {
  const machine = (set.status?.vmStatus ?? []).find(({ name }) => name === metadata.name);
  const told = machine?.gates?.find(({ name }) => name === gate.name);
  if (told === undefined || machine?.creationTime !== metadata.creationTimestamp) return undefined;
  const sinceMs = Date.parse(told.lastTransitionTime);
  if (status?.startedAt !== undefined && sinceMs < Date.parse(status.startedAt)) return undefined;
  return { isMet: told.met, sinceMs, reason: told.reason, message: told.message, streak: undefined };
}
