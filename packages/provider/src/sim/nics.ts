// Interfaces of running VMs of the simulated hypervisor. Whether the guest lets go of one is in the hands of the test.

import type { NicRole } from "../nics.ts";
import { ProviderError } from "../provider-error.ts";
import { requireRunning } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { requireNic } from "./nic-rules.ts";

export function simulatedNics({ world, gate, guest, host }: SimulatedParts): NicRole {
  return {
    listMacs: (options) =>
      gate.run("nics.listMacs", {
        options,
        act: () =>
          [...world.domains.values()].flatMap(({ name, uid, nics }) =>
            nics.map(({ mac }) => ({ mac, domain: name, uid })),
          ),
      }),
    attachNic: (vm, nic, options) =>
      gate.run("nics.attachNic", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "attach an interface to");
          if (domain.nics.some(({ mac }) => mac === nic.mac)) return;
          requireNic(nic, { vm, world, host });
          domain.nics = [...domain.nics, nic];
          world.emit({ kind: "vm", uid: vm.uid, change: "device-added" });
        },
      }),
    requestNicDetach: (vm, mac, options) =>
      gate.run("nics.requestNicDetach", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "detach an interface from");
          if (guest.detach === "ignores" || !domain.nics.some((nic) => nic.mac === mac)) return;
          domain.nics = domain.nics.filter((nic) => nic.mac !== mac);
          world.emit({ kind: "vm", uid: vm.uid, change: "device-removed" });
        },
      }),
    tuneNic: (vm, nic, options) =>
      gate.run("nics.tuneNic", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "change an interface of");
          const present = domain.nics.find(({ mac }) => mac === nic.mac);
          if (present === undefined) {
            throw new ProviderError("NotFound", `VM "${vm.name}" has no interface with MAC address ${nic.mac}`);
          }
          requireNic(nic, { vm, world, host });
          const { mtu } = present;
          const tuned = { ...nic, model: present.model, ...(mtu === undefined ? {} : { mtu }) };
          domain.nics = domain.nics.map((each) => (each.mac === nic.mac ? tuned : each));
        },
      }),
  };
}
