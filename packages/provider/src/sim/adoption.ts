// Adoption on the simulated hypervisor.

import type { AdoptableDomain, AdoptionRole } from "../adoption.ts";
import { ProviderError } from "../provider-error.ts";
import type { VmIdentity } from "../provider.ts";
import { isOn, sizeOf } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain, SimulatedWorld } from "./world.ts";

export function simulatedAdoption({ world, gate }: SimulatedParts): AdoptionRole {
  return {
    list: (options) => gate.run("adoption.list", { options, act: () => [...world.domains.values()].map(adoptableOf) }),
    bind: (vm, options) =>
      gate.run("adoption.bind", {
        subject: vm.uid,
        options,
        act() {
          const domain = adoptedDomain(world, vm);
          if (domain === undefined) {
            throw new ProviderError("NotFound", `Cannot adopt VM "${vm.name}": there is no domain ${vm.adoptedUuid}`);
          }
          requireNobodyElses(domain, vm, "adopt");
          domain.adoptedBy = vm;
          world.emit({ kind: "vm", uid: domain.uid, change: "metadata" });
        },
      }),
    release: (vm, options) =>
      gate.run("adoption.release", {
        subject: vm.uid,
        options,
        act() {
          const domain = adoptedDomain(world, vm);
          if (domain?.adoptedBy?.uid === vm.uid) delete domain.adoptedBy;
        },
      }),
    destroy: (vm, options) =>
      gate.run("adoption.destroy", {
        subject: vm.uid,
        options,
        act() {
          const domain = adoptedDomain(world, vm);
          if (domain === undefined) return;
          requireNobodyElses(domain, vm, "destroy");
          if (domain.adoptedBy === undefined) {
            throw new ProviderError(
              "Conflict",
              `Cannot destroy VM "${vm.name}": domain "${domain.name}" is not its own`,
            );
          }
          world.domains.delete(domain.uid);
          world.emit({ kind: "vm", uid: domain.uid, change: "undefined" });
        },
      }),
  };
}

function adoptedDomain(world: SimulatedWorld, { name, adoptedUuid }: VmIdentity): SimulatedDomain | undefined {
  if (adoptedUuid === undefined) throw new RangeError(`VM "${name}" has no domain to adopt`);
  return world.domains.get(adoptedUuid);
}

function requireNobodyElses(domain: SimulatedDomain, vm: VmIdentity, action: string): void {
  const owner = ownerOf(domain);
  if (owner === undefined || owner.uid === vm.uid) return;
  throw new ProviderError(
    "Conflict",
    `Cannot ${action} VM "${vm.name}": domain "${domain.name}" belongs to VM ${owner.namespace}/${owner.name}`,
  );
}

function ownerOf(domain: SimulatedDomain): VmIdentity | undefined {
  return domain.adoptedBy ?? (domain.ours ? domain.definition?.identity : undefined);
}

function adoptableOf(domain: SimulatedDomain): AdoptableDomain {
  const owner = ownerOf(domain);
  return {
    uid: domain.uid,
    name: domain.name,
    isOn: isOn(domain),
    power: domain.power,
    isPersistent: true,
    ...sizeOf(domain),
    ...(owner === undefined ? {} : { owner }),
    metadata: {},
    disks: domain.disks.map((_, index) => ({
      target: `vd${String.fromCodePoint(97 + index)}`,
      sizeBytes: 1024 ** 3,
      isReadOnly: false,
    })),
    nics: (domain.definition?.networks ?? []).map(({ mac, source }) => ({ mac, source })),
  };
}
