// Disks of running VMs of the simulated hypervisor. Whether the guest lets go of one is in the hands of the test.

import { ProviderError } from "../provider-error.ts";
import type { DiskDefinition, VmIdentity } from "../provider.ts";
import type { HotplugRole } from "../storage.ts";
import { requireOwn, requireRunning, requireUsable, volumeName } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain } from "./world.ts";

export function simulatedHotplug({ world, gate, guest }: SimulatedParts): HotplugRole {
  const own = (domain: SimulatedDomain, vm: VmIdentity, name: string): DiskDefinition => {
    const disk = domain.disks.find((each) => each.name === name);
    if (disk === undefined) throw new ProviderError("NotFound", `VM "${vm.name}" has no disk "${name}"`);
    return disk;
  };
  return {
    attachDisk: (vm, disk, options) =>
      gate.run("hotplug.attachDisk", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "attach a disk to");
          if (domain.disks.some((each) => each.name === disk.name)) return;
          if (disk.volume === undefined && !world.volumes.has(volumeName(vm, disk.name))) {
            throw new ProviderError("NotFound", `Cannot attach disk "${disk.name}": it has no volume`);
          }
          requireUsable(world, vm, disk);
          domain.disks = [...domain.disks, disk];
          world.emit({ kind: "vm", uid: vm.uid, change: "device-added" });
        },
      }),
    requestDetach: (vm, disk, options) =>
      gate.run("hotplug.requestDetach", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "detach a disk from");
          if (guest.detach === "ignores" || !domain.disks.some((each) => each.name === disk)) return;
          domain.disks = domain.disks.filter((each) => each.name !== disk);
          world.emit({ kind: "vm", uid: vm.uid, change: "device-removed" });
        },
      }),
    tuneDisk: (vm, { name, limits }, options) =>
      gate.run("hotplug.tuneDisk", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireRunning(world, vm, "tune a disk of");
          const { limits: _, ...disk } = own(domain, vm, name);
          const tuned = { ...disk, ...(limits === undefined ? {} : { limits }) };
          domain.disks = domain.disks.map((each) => (each.name === name ? tuned : each));
        },
      }),
    growDisk: (vm, { name, sizeBytes }, options) =>
      gate.run("hotplug.growDisk", {
        subject: vm.uid,
        options,
        act() {
          own(requireOwn(world, vm, "grow a disk of"), vm, name);
          const volume = world.volumes.get(volumeName(vm, name));
          if (volume === undefined) throw new ProviderError("NotFound", `Cannot grow disk "${name}": it has no volume`);
          if (sizeBytes < volume.sizeBytes) {
            throw new ProviderError("InvalidSpec", `Cannot shrink disk "${name}" from ${volume.sizeBytes} bytes`);
          }
          world.volumes.set(volume.name, { ...volume, sizeBytes });
        },
      }),
  };
}
