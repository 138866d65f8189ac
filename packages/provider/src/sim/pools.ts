// Pools of the simulated hypervisor: folders of a terabyte each. Another type than `dir` is what this host cannot do.

import { ProviderError } from "../provider-error.ts";
import type { PoolObservation, PoolRef, PoolRole } from "../storage.ts";
import type { SimulatedParts } from "./compute.ts";
import type { SimulatedPool, SimulatedWorld } from "./world.ts";

const capacityBytes = 2 ** 40;

export function simulatedPools({ world, gate }: Pick<SimulatedParts, "world" | "gate">): PoolRole {
  return {
    observe: (pool, options) =>
      gate.run("pools.observe", { subject: pool.name, options, act: () => observe(world, pool) }),
    check: (definition, options) =>
      gate.run("pools.check", {
        subject: definition.name,
        options,
        act() {
          if (definition.type !== "dir") {
            const message = `Cannot make pool "${definition.name}": the simulated host has no pools of type "${definition.type}"`;
            throw new ProviderError("Unsupported", message);
          }
          if (definition.path === undefined) {
            throw new ProviderError("InvalidSpec", `Cannot make pool "${definition.name}": type "dir" needs a path`);
          }
        },
      }),
    create: (definition, options) =>
      gate.run("pools.create", {
        subject: definition.name,
        options,
        act() {
          const { name, uid, type, path = "" } = definition;
          const found = world.pools.get(name);
          if (found !== undefined && found.uid !== uid) {
            throw new ProviderError("Conflict", `Cannot make pool "${name}": another pool has that name`);
          }
          world.pools.set(name, { name, uid, type, path, capacityBytes, isActive: true });
        },
      }),
    start: (pool, options) =>
      gate.run("pools.start", {
        subject: pool.name,
        options,
        act() {
          require(world, pool, "start").isActive = true;
        },
      }),
    refresh: (pool, options) =>
      gate.run("pools.refresh", { subject: pool.name, options, act: () => void require(world, pool, "refresh") }),
    remove: (pool, options) =>
      gate.run("pools.remove", {
        subject: pool.name,
        options,
        act() {
          if (world.pools.get(pool.name)?.uid !== pool.uid) return;
          const names = world.volumesIn(pool.name).map((volume) => volume.name);
          if (names.length > 0) {
            throw new ProviderError("Conflict", `Cannot remove pool "${pool.name}": it holds ${names.join(", ")}`);
          }
          world.pools.delete(pool.name);
        },
      }),
  };
}

function observe(world: SimulatedWorld, ref: PoolRef): PoolObservation {
  const pool = world.pools.get(ref.name);
  if (pool === undefined) return { kind: "absent" };
  if (ref.kind === "made" && pool.uid !== ref.uid) {
    return { kind: "foreign", reason: `its UUID is ${pool.uid}, this pool's is ${ref.uid}` };
  }
  const volumes = pool.isActive ? world.volumesIn(pool.name) : [];
  const allocationBytes = volumes.reduce((sum, volume) => sum + volume.allocationBytes, 0);
  return {
    kind: "present",
    isActive: pool.isActive,
    type: pool.type,
    path: pool.path,
    capacityBytes: pool.capacityBytes,
    allocationBytes,
    availableBytes: pool.capacityBytes - allocationBytes,
    provisionedBytes: volumes.reduce((sum, volume) => sum + volume.sizeBytes, 0),
    volumes: volumes.length,
  };
}

function require(world: SimulatedWorld, ref: PoolRef, action: string): SimulatedPool {
  const pool = world.pools.get(ref.name);
  if (pool === undefined || (ref.kind === "made" && pool.uid !== ref.uid)) {
    throw new ProviderError("NotFound", `Cannot ${action} pool "${ref.name}": there is none`);
  }
  return pool;
}
