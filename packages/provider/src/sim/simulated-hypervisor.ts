// A hypervisor in memory for tests of controllers: the same contract and the same rules as a real one (mounted by the same
// conformance suite), with time, delays and faults in the hands of the test.

import { systemClock } from "../clock.ts";
import type { Clock } from "../clock.ts";
import type { NicDefinition } from "../nics.ts";
import { ProviderError } from "../provider-error.ts";
import type { ProviderErrorCode } from "../provider-error.ts";
import type { GuestAddress, HypervisorInfo, Provider, ProviderFactory } from "../provider.ts";
import { simulatedAdoption } from "./adoption.ts";
import { CallGate } from "./calls.ts";
import type { SimulatedCall } from "./calls.ts";
import { isOn, simulatedCompute } from "./compute.ts";
import type { GuestBehaviour, SimulatedParts } from "./compute.ts";
import { simulatedConsole } from "./console.ts";
import { FaultRules } from "./faults.ts";
import type { SimulatedMethod } from "./faults.ts";
import { simulatedGuest } from "./guest.ts";
import { simulatedHost } from "./host.ts";
import { simulatedMigration } from "./migration.ts";
import { simulatedHotplug } from "./hotplug.ts";
import { simulatedImageBackups } from "./image-backups.ts";
import { simulatedLayers } from "./layers.ts";
import { simulatedNics } from "./nics.ts";
import { simulatedNetworks } from "./networks.ts";
import { simulatedRunState } from "./run-state.ts";
import { simulatedSizing } from "./sizing.ts";
import { simulatedPools } from "./pools.ts";
import { simulatedStats } from "./stats.ts";
import { simulatedClones } from "./clones.ts";
import { simulatedSnapshots } from "./snapshots.ts";
import { simulatedScreen } from "./screen.ts";
import { simulatedDisks, simulatedImages } from "./storage.ts";
import { simulatedVolumes } from "./volumes.ts";
import { SimulatedWorld } from "./world.ts";
import type { SimulatedDomain, SimulatedHost } from "./world.ts";

export interface SimulatedOptions {
  readonly clock?: Clock;
  /** Of every call; 0 (the default) uses no timers at all. */
  readonly latencyMs?: number;
  readonly host?: Partial<SimulatedHost>;
  readonly guest?: Partial<GuestBehaviour>;
  /** Another host on the same storage. */
  readonly sharesStorageWith?: SimulatedHypervisor;
  /** Whether calls are kept to be looked at; true when absent. One that serves for long must not. */
  readonly keepsCalls?: boolean;
}

interface FaultOptions {
  /** Default 1. */
  readonly times?: number;
  /** Default Unavailable. */
  readonly code?: ProviderErrorCode;
  readonly message?: string;
}

/** The hypervisor seen from outside the contract: what a test arranges and looks at. */
export interface SimulatedHypervisor {
  /** Opens providers on this hypervisor; its type is `sim`. */
  readonly factory: ProviderFactory;
  readonly world: SimulatedWorld;
  /** May be changed at any time. */
  readonly guest: GuestBehaviour;
  /** Every call made, oldest first. */
  readonly calls: readonly SimulatedCall[];
  open(): Provider;
  /** The next calls of `method` do nothing and fail. */
  fail(method: SimulatedMethod | "*", options?: FaultOptions): void;
  /** The next calls of `method` do all their work, and then their answer is lost. */
  loseAnswer(method: SimulatedMethod | "*", options?: FaultOptions): void;
  /** The next calls of `method` never answer; the caller's signal ends them. */
  hang(method: SimulatedMethod | "*", options?: FaultOptions): void;
  clearFaults(): void;
  /** All calls fail with Unavailable until `reconnect`; VMs go on running. */
  disconnect(): void;
  reconnect(): void;
  /**
   * As if somebody pulled the plug (`destroyed`), the guest powered itself off (`shutdown`), or QEMU died (`crashed`). All leave
   * the domain off; power `crashed` is for a guest that panicked and is kept for a look, see `world`.
   */
  stopFromOutside(uid: string, reason: "destroyed" | "shutdown" | "crashed"): void;
  connectAgent(uid: string): void;
  setAddress(mac: string, address: GuestAddress): void;
  /** A domain that somebody else made. */
  addForeignDomain(domain: {
    readonly name: string;
    readonly uid: string;
    readonly nics?: readonly NicDefinition[];
  }): void;
}

export function createSimulatedHypervisor(options: SimulatedOptions = {}): SimulatedHypervisor {
  const world = new SimulatedWorld(options.sharesStorageWith?.world);
  const faults = new FaultRules();
  const clock = options.clock ?? systemClock;
  const gate = new CallGate({
    world,
    faults,
    clock,
    latencyMs: options.latencyMs ?? 0,
    keepsLog: options.keepsCalls ?? true,
  });
  const guest: GuestBehaviour = {
    shutdown: "obeys",
    shutdownMs: 0,
    leaseMs: 0,
    moveMs: 0,
    detach: "obeys",
    balloon: "obeys",
    run: ([name = ""]) =>
      name.endsWith("true")
        ? { exitCode: 0, stdout: "", stderr: "" }
        : { exitCode: 127, stdout: "", stderr: `${name}: not found` },
    ...options.guest,
  };
  const host: SimulatedHost = {
    cpus: 16,
    memoryBytes: 32 * 1024 ** 3,
    uefi: true,
    secureBoot: false,
    tpm: false,
    nestedVirtualization: false,
    nicLimits: true,
    ...options.host,
  };
  const parts: SimulatedParts = { world, gate, clock, host, guest };
  const open = (): Provider => openProvider(parts);
  const addFault =
    (effect: "fail" | "lose-answer" | "hang") =>
    (method: SimulatedMethod | "*", { times = 1, code = "Unavailable", message }: FaultOptions = {}): void =>
      faults.add(method, { effect, times, code, ...(message === undefined ? {} : { message }) });

  return {
    factory: { type: "sim", open },
    world,
    guest,
    calls: gate.log,
    open,
    fail: addFault("fail"),
    loseAnswer: addFault("lose-answer"),
    hang: addFault("hang"),
    clearFaults: () => faults.clear(),
    disconnect() {
      world.connected = false;
      world.emit({ kind: "disconnected", error: new ProviderError("Unavailable", "The simulated hypervisor hung up") });
    },
    reconnect() {
      world.connected = true;
      world.emit({ kind: "connected" });
    },
    stopFromOutside(uid, reason) {
      const domain = requireDomain(world, uid);
      if (isOn(domain)) {
        world.setPower(domain, { power: "off", reason, change: "stopped" });
      }
    },
    connectAgent(uid) {
      requireDomain(world, uid).agentConnected = true;
      world.emit({ kind: "vm", uid, change: "agent-connected" });
    },
    setAddress: (mac, address) => void world.addresses.set(mac, address),
    addForeignDomain({ name, uid, nics = [] }) {
      world.domains.set(uid, {
        name,
        uid,
        ours: false,
        disks: [],
        nics,
        power: "running",
        powerReason: "booted",
        agentConnected: false,
        boots: 1,
        serialLog: "",
      });
    },
  };
}

function requireDomain(world: SimulatedWorld, uid: string): SimulatedDomain {
  const domain = world.domains.get(uid);
  if (domain === undefined) throw new RangeError(`The simulated hypervisor has no domain ${uid}`);
  return domain;
}

function openProvider(parts: SimulatedParts): Provider {
  const { world, gate } = parts;
  const closed = new AbortController();
  return {
    type: "sim",
    compute: simulatedCompute(parts),
    disks: simulatedDisks(parts),
    images: simulatedImages(parts),
    layers: simulatedLayers(parts),
    imageBackups: simulatedImageBackups(parts),
    addresses: {
      lookup: (vm, macs, options) =>
        gate.run("addresses.lookup", {
          subject: vm.uid,
          options,
          act: () => macs.flatMap((mac) => world.addresses.get(mac) ?? []),
        }),
      release: (macs, options) =>
        gate.run("addresses.release", {
          options,
          act() {
            for (const mac of macs) world.addresses.delete(mac);
          },
        }),
    },
    console: simulatedConsole(parts),
    screen: simulatedScreen(parts),
    pools: simulatedPools(parts),
    volumes: simulatedVolumes(parts),
    hotplug: simulatedHotplug(parts),
    stats: simulatedStats(parts),
    nics: simulatedNics(parts),
    guest: simulatedGuest(parts),
    host: simulatedHost(parts),
    adoption: simulatedAdoption(parts),
    networks: simulatedNetworks(parts),
    runState: simulatedRunState(parts),
    snapshots: simulatedSnapshots(parts),
    clones: simulatedClones(parts),
    sizing: simulatedSizing(parts),
    migration: simulatedMigration(parts),
    describe: (options) => gate.run("describe", { options, act: () => describe(parts) }),
    subscribe(listener, { signal }) {
      if (signal.aborted || closed.signal.aborted) return;
      world.listeners.add(listener);
      const stop = (): void => void world.listeners.delete(listener);
      signal.addEventListener("abort", stop, { once: true });
      closed.signal.addEventListener("abort", stop, { once: true });
      if (world.connected) queueMicrotask(() => world.listeners.has(listener) && listener({ kind: "connected" }));
    },
    close() {
      closed.abort();
      return Promise.resolve();
    },
  };
}

function describe({ world, host }: SimulatedParts): HypervisorInfo {
  const used = [...world.domains.values()].reduce(
    (sum, d) => sum + (isOn(d) ? (d.definition?.memoryBytes ?? 0) : 0),
    0,
  );
  return {
    hostname: "sim",
    version: "sim 1",
    architecture: "x86_64",
    cpus: host.cpus,
    memoryBytes: host.memoryBytes,
    freeMemoryBytes: host.memoryBytes - used,
    storage: { totalBytes: 1024 ** 4, availableBytes: 1024 ** 4 },
    vms: world.domains.size,
    acceleration: { kind: "tcg", reason: "simulated" },
    capabilities: {
      diskFormats: ["qcow2", "raw"],
      networkModels: ["virtio", "e1000"],
      linkedClones: true,
      snapshots: true,
      memorySnapshots: true,
      imageImport: true,
      serialConsole: true,
      uefi: host.uefi,
      secureBoot: host.secureBoot,
      tpm: host.tpm,
      nestedVirtualization: host.nestedVirtualization,
    },
  };
}
