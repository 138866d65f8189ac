// The scheduler over objects: where a VirtualMachine is to go, whether it may stay where it is, and whether its host has room for it. The same
// in the controllers, over caches, and in `viv`, over lists.

import type { Host, Provider, VirtualMachine, VMClass, VMPlacementPolicy } from "@vivarium/api";
import { effectiveProvider } from "../effective-provider.ts";
import { adoptionOf, amountOf, keyOf } from "../virtual-machine/resolve/definition.ts";
import { hasSeveralHosts, hostOfVm } from "../vm-host.ts";
import { placementHosts, wishOf } from "./candidates.ts";
import { crowdOf, ruledOut, shortOf, taintObstacle, untolerated } from "./filter.ts";
import type { Surroundings } from "./filter.ts";
import { PlacementFindings } from "./findings.ts";
import { fitOf } from "./fit.ts";
import type { Fit } from "./fit.ts";
import { PlacementLedger } from "./ledger.ts";
import type { Labels, Machine, Obstacle, Placement, PlacementHost, PlacementWish } from "./model.ts";
import { rulesOf } from "./rules.ts";
import type { PlacementRules } from "./rules.ts";
import { schedule } from "./schedule.ts";
import { WaitingList } from "./waiting-list.ts";

interface Named {
  readonly namespace: string;
  readonly name: string;
}

export interface PlacementObjects {
  providers(): readonly Provider[];
  provider(key: Named): Provider | undefined;
  host(key: Named): Host | undefined;
  vmClass(key: Named): VMClass | undefined;
  policy(key: Named): VMPlacementPolicy | undefined;
  namespaceLabels(name: string): Labels;
}

export class Placer {
  readonly #objects: PlacementObjects;
  readonly ledger: PlacementLedger;
  readonly waiting = new WaitingList();
  readonly findings = new PlacementFindings();

  constructor(objects: PlacementObjects) {
    this.#objects = objects;
    this.ledger = new PlacementLedger({
      providerOf: (vm) => formatProvider(this.providerOf(vm)),
      hostOf: (vm) => this.#placeOf(vm),
      amountOf: (vm) => {
        const { classRef } = vm.spec;
        return classRef !== undefined && objects.vmClass(keyOf(vm, classRef)) === undefined
          ? undefined
          : amountOf(vm, objects);
      },
    });
  }

  /** The Provider that the VM was made on, else the one that it means. */
  providerOf(vm: VirtualMachine): Provider | undefined {
    const madeOn = vm.status?.provider?.["madeOn"];
    if (typeof madeOn === "string") {
      const [namespace = "", name = ""] = madeOn.split("/");
      return this.#objects.provider({ namespace, name });
    }
    const effective = effectiveProvider(vm, this.#objects.providers());
    return effective.kind === "found" ? this.#objects.provider(effective.key) : undefined;
  }

  /** For a VM that is on no host yet: one that none can take is looked at again when something changes. */
  choose(vm: VirtualMachine, provider: Provider): Placement {
    const placement = this.place(vm, provider);
    this.#note(vm, { provider, isWaiting: placement.kind === "none" });
    return placement;
  }

  /** For a VM that is on a host already: where it would go today. */
  place(vm: VirtualMachine, provider: Provider): Placement {
    return schedule(this.wishOf(vm, provider), this.#around(vm, provider));
  }

  /** As if the host that it is on were not there. */
  placeElsewhere(
    vm: VirtualMachine,
    { provider, from }: { readonly provider: Provider; readonly from: string },
  ): Placement {
    return schedule(this.wishOf(vm, provider), this.#around(vm, provider), (name) => name !== from);
  }

  /** Which rules keep the VM from where it is: those that hold for as long as it is there. */
  whyNotThere(vm: VirtualMachine, provider: Provider): readonly Obstacle[] {
    const name = this.ledger.hostOf(vm.metadata.uid ?? "");
    const around = this.#around(vm, provider);
    const host = around.hosts.find((each) => each.name === name);
    if (host === undefined) return [];
    const wish = this.wishOf(vm, provider);
    const rules = around.rulesOf(wish.machine);
    const tolerations = [...wish.tolerations, ...(rules?.tolerations ?? [])];
    return [
      ...ruledOut(wish, host, { rules, crowd: crowdOf(wish.machine, rules, around) }),
      ...untolerated(host.taints, tolerations, ["NoExecute"]).map(taintObstacle),
    ];
  }

  /** What keeps the VM from a host that it is to be moved to. `room` is held there only when the move is on record. */
  whyNotTo(
    vm: VirtualMachine,
    { provider, to }: { readonly provider: Provider; readonly to: string },
  ): { readonly rules: readonly Obstacle[]; readonly room: readonly Obstacle[] } {
    const around = this.#around(vm, provider);
    const host = around.hosts.find((each) => each.name === to);
    if (host === undefined) return { rules: [], room: [] };
    const wish = this.wishOf(vm, provider);
    const rules = around.rulesOf(wish.machine);
    const tolerations = [...wish.tolerations, ...(rules?.tolerations ?? [])];
    const isHolding = this.ledger.holds(wish.machine.uid);
    return {
      rules: [
        ...ruledOut({ ...wish, selector: {} }, host, { rules, crowd: crowdOf(wish.machine, rules, around) }),
        ...untolerated(host.taints, tolerations, ["NoSchedule", "NoExecute"]).map(taintObstacle),
      ],
      room: isHolding ? shortOf(wish.amount, host, rules) : [],
    };
  }

  /** Just before the move is written down: with nothing lacking, room is held there, too. */
  claimTarget(
    vm: VirtualMachine,
    { provider, to }: { readonly provider: Provider; readonly to: string },
  ): readonly Obstacle[] {
    const { room } = this.whyNotTo(vm, { provider, to });
    if (room.length === 0) this.ledger.expect(vm.metadata.uid ?? "", to);
    return room;
  }

  /** Before the VM is started or grows: what its host lacks for it. With nothing lacking it holds its room from now on. */
  claimRoom(vm: VirtualMachine, provider: Provider): readonly Obstacle[] {
    if (this.ledger.isClaimed(vm)) return [];
    const name = this.ledger.hostOf(vm.metadata.uid ?? "");
    const around = this.#around(vm, provider);
    const host = around.hosts.find((each) => each.name === name);
    const wish = this.wishOf(vm, provider);
    const missing = host === undefined ? [] : shortOf(wish.amount, host, around.rulesOf(wish.machine));
    if (missing.length === 0) this.ledger.claim(vm);
    this.#note(vm, { provider, isWaiting: missing.length > 0 });
    return missing;
  }

  /** Whether a host could take the VM if it were empty. */
  fitOf(vm: VirtualMachine, provider: Provider): Fit {
    const { machine, amount, host } = this.wishOf(vm, provider);
    const hosts = this.hostsOf(provider, machine.uid);
    const meant = host === undefined ? hosts : hosts.filter(({ name }) => name === host);
    return fitOf(amount, meant, this.#rulesOf(machine));
  }

  wishOf(vm: VirtualMachine, provider: Provider): PlacementWish {
    const { classRef } = vm.spec;
    const vmClass = classRef && this.#objects.vmClass(keyOf(vm, classRef));
    return wishOf(vm, { amount: amountOf(vm, this.#objects), vmClass, problems: this.#problemsOf(vm, provider) });
  }

  hostsOf(provider: Provider, except: string): readonly PlacementHost[] {
    const namespace = provider.metadata.namespace ?? "";
    const key = formatProvider(provider) ?? "";
    return placementHosts(provider, {
      hostOf: (name) => this.#objects.host({ namespace, name }),
      takenOn: (name) => this.ledger.takenOn(key, name, except),
    });
  }

  #note(
    vm: VirtualMachine,
    { provider, isWaiting }: { readonly provider: Provider; readonly isWaiting: boolean },
  ): void {
    if (isWaiting) this.waiting.add(vm, formatProvider(provider) ?? "");
    else this.waiting.delete(vm.metadata.uid ?? "");
  }

  #around(vm: VirtualMachine, provider: Provider): Surroundings {
    const { ledger } = this;
    const key = formatProvider(provider) ?? "";
    return {
      hosts: this.hostsOf(provider, vm.metadata.uid ?? ""),
      machines: () => ledger.machinesOn(key),
      followers: () => ledger.followersOn(key),
      rulesOf: (machine) => this.#rulesOf(machine),
      labelsOf: (namespace) => this.#objects.namespaceLabels(namespace),
    };
  }

  #rulesOf({ namespace, policy }: Machine): PlacementRules | undefined {
    const found = policy === undefined ? undefined : this.#objects.policy({ namespace, name: policy });
    return found && rulesOf(found);
  }

  #problemsOf(vm: VirtualMachine, provider: Provider): readonly string[] {
    const { placementRef, placement } = vm.spec;
    const key = placementRef && keyOf(vm, placementRef);
    const isUnnamed = adoptionOf(vm) !== undefined && placement?.host === undefined && hasSeveralHosts(provider);
    return [
      ...(key !== undefined && this.#objects.policy(key) === undefined
        ? [`VMPlacementPolicy "${key.namespace}/${key.name}" (spec.placementRef) does not exist`]
        : []),
      ...(isUnnamed ? ["an adopted domain is where it is: name its host in spec.placement.host"] : []),
    ];
  }

  /** Of a Provider with one host a VM is there once it was made. */
  #placeOf(vm: VirtualMachine): string | undefined {
    if (vm.status?.host !== undefined) return vm.status.host;
    if (vm.status?.provider?.["madeOn"] === undefined) return undefined;
    const provider = this.providerOf(vm);
    return provider && hostOfVm(vm, provider);
  }
}

function formatProvider(provider: Provider | undefined): string | undefined {
  return provider && `${provider.metadata.namespace ?? ""}/${provider.metadata.name}`;
}
