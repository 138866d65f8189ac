// Snapshots of the simulated hypervisor: what is on a VM's disks is one string, which a test writes and finds again.

import { ProviderError } from "../provider-error.ts";
import type { VmIdentity } from "../provider.ts";
import type { SnapshotConsistency, SnapshotObservation, SnapshotRequest, SnapshotRole } from "../snapshots.ts";
import { isOn, ownDomain, requireOwn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedDomain, SimulatedTree, SimulatedWorld } from "./world.ts";

export function simulatedSnapshots({ world, gate, clock }: SimulatedParts): SnapshotRole {
  return {
    list: (vm, options) => gate.run("snapshots.list", { subject: vm.uid, options, act: () => list(world, vm) }),
    create: (vm, request, options) =>
      gate.run("snapshots.create", {
        subject: request.uid,
        options,
        act() {
          const domain = requireOwn(world, vm, "take a snapshot of");
          const tree = treeOf(world, vm);
          if (tree.snapshots.has(request.uid)) return;
          const consistency = consistencyOf(domain, request);
          tree.snapshots.set(request.uid, {
            request,
            createdAtMs: clock.now(),
            parent: tree.current,
            consistency,
            disks: domain.disks.filter(({ volume }) => volume === undefined).map(({ name }) => name),
            data: domain.data ?? "",
          });
          tree.current = request.uid;
          options?.onProgress?.({ doneBytes: 1, totalBytes: 1 });
        },
      }),
    revert: (vm, { uid, requestId }, options) =>
      gate.run("snapshots.revert", {
        subject: uid,
        options,
        act() {
          const domain = requireOwn(world, vm, "revert");
          const tree = treeOf(world, vm);
          if (tree.lastRevert === requestId) return;
          const snapshot = tree.snapshots.get(uid);
          if (snapshot === undefined) {
            throw new ProviderError("NotFound", `Cannot revert VM "${vm.name}": it has no snapshot ${uid}`);
          }
          if (isOn(domain)) world.setPower(domain, { power: "off", reason: "destroyed", change: "stopped" });
          domain.data = snapshot.data;
          tree.current = uid;
          tree.lastRevert = requestId;
          if (snapshot.consistency !== "memory") return;
          world.setPower(domain, { power: "running", reason: "from-snapshot", change: "started" });
        },
      }),
    remove: (vm, uid, options) =>
      gate.run("snapshots.remove", {
        subject: uid,
        options,
        act() {
          if (ownDomain(world, vm, "remove a snapshot of") === undefined) return;
          const tree = treeOf(world, vm);
          const gone = tree.snapshots.get(uid);
          if (gone === undefined) return;
          tree.snapshots.delete(uid);
          if (tree.current === uid) tree.current = gone.parent;
          for (const child of tree.snapshots.values()) if (child.parent === uid) child.parent = gone.parent;
        },
      }),
  };
}

function treeOf(world: SimulatedWorld, vm: VmIdentity): SimulatedTree {
  const found = world.trees.get(vm.uid) ?? { snapshots: new Map(), current: undefined, lastRevert: undefined };
  world.trees.set(vm.uid, found);
  return found;
}

function consistencyOf(domain: SimulatedDomain, { memory, quiesce }: SnapshotRequest): SnapshotConsistency {
  if (!isOn(domain)) return "off";
  if (memory) return "memory";
  if (quiesce === "required" && !domain.agentConnected) {
    throw new ProviderError("Conflict", "Cannot hold the file systems still: the guest agent is not connected");
  }
  return domain.agentConnected && quiesce !== "never" ? "filesystem" : "crash";
}

function list(world: SimulatedWorld, vm: VmIdentity): readonly SnapshotObservation[] {
  const domain = ownDomain(world, vm, "list snapshots of");
  const tree = world.trees.get(vm.uid);
  if (domain === undefined || tree === undefined) return [];
  return [...tree.snapshots.values()].map(({ request, createdAtMs, parent, consistency, disks }) => ({
    uid: request.uid,
    name: request.name,
    createdAtMs,
    ...(parent === undefined ? {} : { parent }),
    isCurrent: tree.current === request.uid,
    method: request.method ?? "external",
    consistency,
    hasMemory: consistency === "memory",
    disks,
    leftOut: domain.disks.filter(({ volume }) => volume !== undefined).map(({ name }) => name),
    sizeBytes: 1024 ** 2,
    virtualSizeBytes: 1024 ** 3,
  }));
}
