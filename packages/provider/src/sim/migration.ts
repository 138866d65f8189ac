// Moves between two simulated hypervisors, in the steps of a real one, so that a test can break them off at each. Storage is shared where both
// were made with the same.

import { createHash } from "node:crypto";
import { ProviderError } from "../provider-error.ts";
import type {
  ExportedDisk,
  MigrationRole,
  MigrationTarget,
  Move,
  MoveObstacle,
  MoveProgress,
  MoveReport,
  MoveSide,
} from "../migration.ts";
import type { VmIdentity } from "../provider.ts";
import { isOn, ownDomain, requireOwn, volumeName } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import { requireNic } from "./nic-rules.ts";
import type { SimulatedDomain, SimulatedWorld } from "./world.ts";

/** After which a move can be broken off: `copied` its disks, `prepared` a domain that waits there, `switched` the guest goes on there. */
export type MoveStage = "copied" | "prepared" | "switched";

class SimulatedTarget implements MigrationTarget {
  readonly type = "sim";
  readonly parts: SimulatedParts;

  constructor(parts: SimulatedParts) {
    this.parts = parts;
  }
}

export function simulatedMigration(parts: SimulatedParts): MigrationRole {
  const { world, gate, clock, guest } = parts;
  return {
    target: new SimulatedTarget(parts),

    check: (vm, { to, mode, copyStorage }, options) =>
      gate.run("migration.check", {
        subject: vm.uid,
        options,
        act() {
          const there = partsOf(to);
          const isShared = world.volumes === there.world.volumes;
          return {
            storage: isShared && copyStorage !== true ? "shared" : "copied",
            obstacles: obstaclesOf(vm, { here: parts, there, mode, copyStorage, isShared }),
          };
        },
      }),

    move: (vm, move, options) =>
      gate.run("migration.move", {
        subject: vm.uid,
        options,
        async act(): Promise<MoveReport> {
          const there = partsOf(move.to).world;
          requireOwn(world, vm, "move");
          const totalBytes = 2 ** 30;
          if (move.storage === "copied") {
            for (const volume of world.volumesOf(vm.uid)) there.volumes.set(volume.name, volume);
          }
          options?.onProgress?.({ doneBytes: totalBytes / 2, totalBytes, bytesPerSecond: totalBytes });
          breakAt(world, "copied");
          const domain = requireOwn(world, vm, "move");
          if (move.mode === "live") {
            if (!isOn(domain)) throw new ProviderError("Conflict", `Cannot move VM "${vm.name}": it went off`);
            there.domains.set(vm.uid, { ...domain, power: "paused", powerReason: "migration", isIncoming: true });
          }
          breakAt(world, "prepared");
          await (guest.moveMs > 0
            ? clock.delay(guest.moveMs, options?.signal === undefined ? {} : { signal: options.signal })
            : undefined);
          options?.signal?.throwIfAborted();
          switchOver(vm, { from: world, to: there });
          breakAt(world, "switched");
          removeFrom(world, vm);
          return move.mode === "live" ? { downtimeMs: 100 } : {};
        },
      }),

    exportDisks: (owner, { target, vm }, options) =>
      gate.run("migration.exportDisks", {
        subject: vm.uid,
        options,
        act: () => exportDisks(owner, vm, { from: world, to: partsOf(target).world, onProgress: options?.onProgress }),
      }),

    settle: (vm, { to, storage }, options) =>
      gate.run("migration.settle", {
        subject: vm.uid,
        options,
        act() {
          const there = partsOf(to).world;
          if (!there.connected) throw new ProviderError("Unavailable", "Cannot settle: the target is disconnected");
          const side = settleDomains(vm, { here: world, there });
          if (storage === "copied" && world.volumes !== there.volumes && side !== "neither") {
            const other = side === "source" ? there : world;
            for (const volume of other.volumesOf(vm.uid)) other.volumes.delete(volume.name);
          }
          return side;
        },
      }),
  };
}

function exportDisks(
  owner: VmIdentity,
  vm: VmIdentity,
  {
    from,
    to,
    onProgress,
  }: {
    readonly from: SimulatedWorld;
    readonly to: SimulatedWorld;
    readonly onProgress: ((progress: MoveProgress) => void) | undefined;
  },
): readonly ExportedDisk[] {
  if (ownDomain(to, vm, "copy disks to") !== undefined) {
    throw new ProviderError("Conflict", `Cannot copy disks to VM "${vm.name}": it has a domain already`);
  }
  const volumes = from.volumesOf(owner.uid);
  if (volumes.length === 0) throw new ProviderError("NotFound", `Cannot copy disks of "${owner.name}": it has none`);
  return volumes.map((found) => {
    const { base: _, ...volume } = found;
    const disk = diskOf(owner, volume.name);
    const name = volumeName(vm, disk);
    to.volumes.set(name, { ...volume, name, owner: vm });
    onProgress?.({ doneBytes: volume.sizeBytes, totalBytes: volume.sizeBytes });
    const checksum = `sha256:${createHash("sha256")
      .update(volume.data ?? "")
      .digest("hex")}`;
    return { name: disk, volume: name, sizeBytes: volume.sizeBytes, sentBytes: volume.sizeBytes, checksum };
  });
}

/** `volumeName` the other way round. */
function diskOf(owner: VmIdentity, volume: string): string {
  return volume.slice(volumeName(owner, "").length - ".qcow2".length).replace(/\.qcow2$/, "");
}

function partsOf(target: MigrationTarget): SimulatedParts {
  if (target instanceof SimulatedTarget) return target.parts;
  throw new ProviderError("Unsupported", `Cannot move to a hypervisor of type "${target.type}" from one of type "sim"`);
}

function obstaclesOf(
  vm: VmIdentity,
  {
    here,
    there,
    mode,
    copyStorage,
    isShared,
  }: {
    readonly here: SimulatedParts;
    readonly there: SimulatedParts;
    readonly mode: Move["mode"];
    readonly copyStorage: boolean | undefined;
    readonly isShared: boolean;
  },
): readonly MoveObstacle[] {
  const found: MoveObstacle[] = [];
  const add = (reason: MoveObstacle["reason"], message: string): void => void found.push({ reason, message });
  if (here.world === there.world) add("SameHost", "it is there already");
  const domain = ownDomain(here.world, vm, "move");
  if (domain === undefined) {
    add("NotDefined", "it has no domain");
    return found;
  }
  if (mode === "live" && !isOn(domain)) add("MachineNotRunning", `it is "${domain.power}"`);
  if (mode === "offline" && isOn(domain)) add("MachineRunning", `it is "${domain.power}"`);
  if (domain.hasSavedMemory === true) add("SavedMemory", "its memory is saved on the host");
  if (copyStorage === false && !isShared) add("StorageDiffers", "the hosts do not share its disks");
  if (copyStorage === true && isShared)
    add("StorageDiffers", "the hosts share its disks: a copy would be the original");
  if (here.world !== there.world && there.world.domainByName(domain.name) !== undefined) {
    add("NameConflict", `a domain "${domain.name}" is there already`);
  }
  const { definition } = domain;
  if (definition === undefined) return found;
  if (definition.memoryBytes > there.host.memoryBytes) add("NoSpace", "the host has less memory than it");
  if (definition.cpus > there.host.cpus) add("CPUIncompatible", "the host has fewer CPUs than it");
  for (const nic of domain.nics) {
    try {
      requireNic(nic, { vm, world: there.world, host: there.host });
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      add("NetworkMissing", error.message);
    }
  }
  return found;
}

function breakAt(world: SimulatedWorld, stage: MoveStage): void {
  if (world.brokenMove !== stage) return;
  world.brokenMove = undefined;
  throw new ProviderError("Unavailable", `The move was cut off: ${stage}`);
}

/** The domain is whole there from here on. */
function switchOver(
  vm: VmIdentity,
  { from, to }: { readonly from: SimulatedWorld; readonly to: SimulatedWorld },
): void {
  const { isIncoming: _, ...domain } = requireOwn(from, vm, "move");
  const moved: SimulatedDomain = { ...domain };
  to.domains.set(vm.uid, moved);
  const tree = from.trees.get(vm.uid);
  if (tree !== undefined) to.trees.set(vm.uid, tree);
  if (!isOn(moved)) return;
  for (const { mac } of moved.nics) {
    const address = from.addresses.get(mac);
    if (address !== undefined) to.addresses.set(mac, address);
  }
  const source = from.domains.get(vm.uid);
  if (source !== undefined) from.domains.set(vm.uid, { ...source, power: "paused", powerReason: "migration" });
  to.emit({ kind: "vm", uid: vm.uid, change: "resumed" });
}

function removeFrom(world: SimulatedWorld, vm: VmIdentity): void {
  world.domains.delete(vm.uid);
  world.trees.delete(vm.uid);
  world.emit({ kind: "vm", uid: vm.uid, change: "undefined" });
}

/** One that only waits there is nothing yet; one that is whole there counts. */
function settleDomains(
  vm: VmIdentity,
  { here, there }: { readonly here: SimulatedWorld; readonly there: SimulatedWorld },
): MoveSide {
  const target = there.domains.get(vm.uid);
  if (target?.isIncoming === true) there.domains.delete(vm.uid);
  if (target !== undefined && target.isIncoming !== true) {
    if (here.domains.has(vm.uid)) removeFrom(here, vm);
    return "target";
  }
  const source = here.domains.get(vm.uid);
  if (source === undefined) return "neither";
  if (source.power === "paused" && source.powerReason === "migration") {
    here.setPower(source, { power: "running", reason: "unpaused", change: "resumed" });
  }
  return "source";
}
