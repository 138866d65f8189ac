// Brings together what the choice of a host needs: what each host has, what is bound to it already, and what was bound a moment ago by a VM
// whose status nobody has read yet.

import { findCondition } from "@vivarium/api";
import type { Host, Provider, VirtualMachine } from "@vivarium/api";
import type { Cache } from "@vivarium/runtime";
import { chooseHost } from "../choose-host.ts";
import type { HostAmount, HostCandidate, HostChoice } from "../choose-host.ts";
import { hostsOf } from "../provider-config.ts";
import { adoptionOf, amountOf } from "./resolve/definition.ts";
import type { RelatedObjects } from "./resolve/definition.ts";
import { hasSeveralHosts, hostOfVm } from "../vm-host.ts";

export interface HostChooserOptions {
  readonly hosts: Cache<Host>;
  readonly machines: Cache<VirtualMachine>;
  readonly related: RelatedObjects;
  /** Whether the VM is on this Provider. */
  readonly isOn: (vm: VirtualMachine, provider: Provider) => boolean;
}

export class HostChooser {
  readonly #options: HostChooserOptions;
  /** By uid: bound by this process. */
  readonly #bound = new Map<string, string>();

  constructor(options: HostChooserOptions) {
    this.#options = options;
  }

  /** Undefined where there is nothing to choose: the VM is bound, or its Provider has one host. */
  choose(vm: VirtualMachine, provider: Provider): HostChoice | undefined {
    if (!hasSeveralHosts(provider) || this.#hostOf(vm, provider) !== undefined) return undefined;
    const { placement } = vm.spec;
    if (adoptionOf(vm) !== undefined && placement?.host === undefined) {
      const reason = "an adopted domain is where it is: name its host in spec.placement.host";
      return { kind: "none", reasons: [reason] };
    }
    return chooseHost(
      {
        ...amountOf(vm, this.#options.related),
        ...(placement?.host === undefined ? {} : { host: placement.host }),
        selector: placement?.hostSelector ?? {},
      },
      this.#candidates(provider),
    );
  }

  /** Counted from now on, before the VM's status says so. */
  bind(vm: VirtualMachine, host: string): void {
    this.#bound.set(vm.metadata.uid ?? "", host);
  }

  forget(uid: string): void {
    this.#bound.delete(uid);
  }

  #hostOf(vm: VirtualMachine, provider: Provider): string | undefined {
    return this.#bound.get(vm.metadata.uid ?? "") ?? hostOfVm(vm, provider);
  }

  #candidates(provider: Provider): readonly HostCandidate[] {
    const { hosts, machines, isOn, related } = this.#options;
    const namespace = provider.metadata.namespace ?? "";
    const here = machines.list().filter((vm) => isOn(vm, provider));
    return hostsOf(provider).map(({ name, labels }) => {
      const host = hosts.get({ namespace, name });
      const ready = findCondition(host?.status?.conditions, "Ready");
      const allocatable = host?.status?.allocatable;
      const others = host?.status?.allocatedByOthers ?? { cpus: 0, memoryBytes: 0 };
      const bound = here.filter((vm) => this.#hostOf(vm, provider) === name && takesRoom(vm));
      return {
        name,
        labels: { ...host?.metadata.labels, ...labels },
        isUnschedulable: host?.spec.unschedulable === true,
        ...(ready?.status === "True" ? {} : { notReady: ready?.message ?? "it was not tried yet" }),
        ...(allocatable === undefined ? {} : { allocatable }),
        taken: bound.map((vm) => amountOf(vm, related)).reduce(sum, others),
      };
    });
  }
}

/** One that is declared off gives its room to others. */
function takesRoom({ spec, metadata }: VirtualMachine): boolean {
  const power = spec.powerState ?? "On";
  return metadata.deletionTimestamp === undefined && (power === "On" || power === "Paused");
}

function sum(a: HostAmount, b: HostAmount): HostAmount {
  return { cpus: a.cpus + b.cpus, memoryBytes: a.memoryBytes + b.memoryBytes };
}
