// Domains of the simulated hypervisor, with libvirt's rules: a foreign domain is never touched, a running one is not undefined.

import type { Clock } from "../clock.ts";
import { domainNameOf } from "../domain-name.ts";
import type { GuestOutcome } from "../guest.ts";
import { ProviderError } from "../provider-error.ts";
import type { ComputeRole, DiskDefinition, VmDefinition, VmIdentity, VmObservation } from "../provider.ts";
import type { CallGate } from "./calls.ts";
import { observationOf, requireNic } from "./nic-rules.ts";
import type { SimulatedDomain, SimulatedHost, SimulatedWorld } from "./world.ts";

export interface GuestBehaviour {
  /** What the guest does when asked to shut down. */
  shutdown: "obeys" | "ignores";
  /** From the request until it is off. */
  shutdownMs: number;
  /** From start until it holds a lease. */
  leaseMs: number;
  /** From the moment that a domain waits on the other side until the guest goes on there. */
  moveMs: number;
  /** What the guest does when asked to let go of a disk. */
  detach: "obeys" | "ignores";
  /** What the guest does when asked to take or give back memory. */
  balloon: "obeys" | "ignores";
  /** What a command does that its agent runs. */
  run: (command: readonly string[]) => GuestOutcome;
}

export interface SimulatedParts {
  readonly world: SimulatedWorld;
  readonly gate: CallGate;
  readonly clock: Clock;
  readonly host: SimulatedHost;
  readonly guest: GuestBehaviour;
}

export function simulatedCompute({ world, gate, clock, host, guest }: SimulatedParts): ComputeRole {
  return {
    observe: (vm, options) => gate.run("compute.observe", { subject: vm.uid, options, act: () => observe(world, vm) }),
    check: (definition, options) =>
      gate.run("compute.check", {
        subject: definition.identity.uid,
        options,
        act: () => check(definition, { world, host }),
      }),
    define: (definition, options) =>
      gate.run("compute.define", { subject: definition.identity.uid, options, act: () => define(world, definition) }),
    start: (vm, options) =>
      gate.run("compute.start", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireOwn(world, vm, "start");
          if (domain.power === "crashed") {
            throw new ProviderError("Conflict", `Cannot start VM "${vm.name}": domain is "crashed", expected "off"`);
          }
          if (isOn(domain)) return;
          const inactive = domain.nics.find(
            (nic) => "network" in nic.source && world.networks.get(nic.source.network) !== true,
          );
          if (inactive !== undefined) {
            throw new ProviderError(
              "Conflict",
              `Cannot start VM "${vm.name}": network of NIC "${inactive.name}" is not active`,
            );
          }
          domain.startedAtMs = clock.now();
          const isRestored = domain.hasSavedMemory === true;
          if (!isRestored) boot(domain);
          domain.hasSavedMemory = false;
          world.setPower(domain, {
            power: options?.isPaused === true ? "paused" : "running",
            reason: isRestored ? "restored" : "booted",
            change: "started",
          });
          void after(clock, guest.leaseMs, () => {
            if (domain.power === "running") giveLease(world, domain);
          });
        },
      }),
    requestShutdown: (vm, options) =>
      gate.run("compute.requestShutdown", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireOwn(world, vm, "shut down");
          if (!isOn(domain) || guest.shutdown === "ignores") return;
          const boot = domain.boots;
          void after(clock, guest.shutdownMs, () => {
            if (!isOn(domain) || domain.boots !== boot) return;
            world.setPower(domain, { power: "off", reason: "shutdown", change: "stopped" });
          });
        },
      }),
    forceOff: (vm, options) =>
      gate.run("compute.forceOff", {
        subject: vm.uid,
        options,
        act() {
          const domain = requireOwn(world, vm, "force off");
          if (isOn(domain)) world.setPower(domain, { power: "off", reason: "destroyed", change: "stopped" });
        },
      }),
    undefine: (vm, options) =>
      gate.run("compute.undefine", {
        subject: vm.uid,
        options,
        act() {
          refuseAdopted(vm, "undefine");
          const domain = ownDomain(world, vm, "undefine");
          if (domain === undefined) return;
          if (isOn(domain)) {
            throw new ProviderError(
              "Conflict",
              `Cannot undefine VM "${vm.name}": domain is "${domain.power}", expected "off"`,
            );
          }
          world.domains.delete(vm.uid);
          world.trees.delete(vm.uid);
          world.emit({ kind: "vm", uid: vm.uid, change: "undefined" });
        },
      }),
  };
}

function observe(world: SimulatedWorld, vm: VmIdentity): VmObservation {
  const volumes = world.volumesOf(vm.uid).map((volume) => volume.name);
  const found = find(world, vm);
  if (found === undefined) return { kind: "absent", volumes };
  if (found.isUnbound === true) return { kind: "unbound", domain: found.domain.name };
  if (found.foreign !== undefined) return { kind: "foreign", domain: found.domain.name, reason: found.foreign };
  const { domain } = found;
  return {
    kind: "present",
    domain: domain.name,
    power: domain.power,
    powerReason: domain.powerReason,
    ...(domain.hasSavedMemory === true ? { hasSavedMemory: true } : {}),
    ...sizeOf(domain),
    maxCpus: domain.definition?.maxCpus ?? sizeOf(domain).cpus,
    maxMemoryBytes: domain.definition?.maxMemoryBytes ?? sizeOf(domain).memoryBytes,
    limits: domain.definition?.limits ?? {},
    nics: domain.nics.map((nic, index) => observationOf(nic, isOn(domain) ? `vnet${index}` : undefined)),
    disks: domain.disks.map((disk, index) => ({
      name: disk.name,
      isOurs: true,
      target: `${disk.bus === "scsi" ? "sd" : "vd"}${String.fromCodePoint(97 + index)}`,
      limits: disk.limits ?? {},
    })),
    agentConnected: domain.agentConnected,
    volumes,
  };
}

function check(definition: VmDefinition, { world, host }: { world: SimulatedWorld; host: SimulatedHost }): void {
  const refuse = (code: "InvalidSpec" | "Unsupported", why: string): never => {
    throw new ProviderError(code, `Cannot run VM "${definition.identity.name}": ${why}`);
  };
  if (definition.memoryBytes > host.memoryBytes) {
    refuse("InvalidSpec", `it wants ${definition.memoryBytes} bytes of memory, the host has ${host.memoryBytes}`);
  }
  if (definition.cpus > host.cpus)
    refuse("InvalidSpec", `it wants ${definition.cpus} CPUs, the host runs at most ${host.cpus}`);
  if (definition.firmware === "UEFI" && !host.uefi) refuse("Unsupported", "the host has no UEFI firmware");
  if (definition.secureBoot && !host.secureBoot) refuse("Unsupported", "the host has no secure boot firmware");
  if (definition.tpm && !host.tpm) refuse("Unsupported", "the host has no TPM emulator");
  if (definition.nestedVirtualization && !host.nestedVirtualization) {
    refuse("Unsupported", "the host offers no nested virtualization");
  }
  for (const nic of definition.networks) requireNic(nic, { vm: definition.identity, world, host });
}

function define(world: SimulatedWorld, definition: VmDefinition): void {
  const vm = definition.identity;
  refuseAdopted(vm, "define");
  const existing = ownDomain(world, vm, "define");
  const present = new Set(world.volumesOf(vm.uid).map((volume) => volume.name));
  const own = definition.disks.filter((disk) => disk.volume === undefined).map((disk) => disk.name);
  const missing = [...own, "seed"].map((name) => volumeName(vm, name)).filter((name) => !present.has(name));
  if (missing.length > 0) {
    throw new ProviderError("NotFound", `Cannot define VM "${vm.name}": volume "${missing[0] ?? ""}" does not exist`);
  }
  for (const disk of definition.disks) requireUsable(world, vm, disk);
  if (existing !== undefined) {
    existing.definition = definition;
    existing.disks = definition.disks;
    existing.nics = definition.networks;
  } else {
    world.domains.set(vm.uid, {
      name: domainNameOf(vm),
      uid: vm.uid,
      ours: true,
      definition,
      disks: definition.disks,
      nics: definition.networks,
      power: "off",
      powerReason: "unknown",
      agentConnected: false,
      boots: 0,
      serialLog: "",
      ...dataOf(world, vm),
    });
  }
  world.emit({ kind: "vm", uid: vm.uid, change: "defined" });
}

/** What came with cloned disks. */
function dataOf(world: SimulatedWorld, vm: VmIdentity): { readonly data?: string } {
  const data = world.volumes.get(volumeName(vm, "root"))?.data;
  return data === undefined ? {} : { data };
}

function refuseAdopted(vm: VmIdentity, action: string): void {
  if (vm.adoptedUuid === undefined) return;
  throw new ProviderError(
    "Conflict",
    `Cannot ${action} VM "${vm.name}": its domain was adopted, and stays as it was found`,
  );
}

/** A volume with a life of its own is there, and no other VM has it. */
export function requireUsable(world: SimulatedWorld, vm: VmIdentity, { name, volume }: DiskDefinition): void {
  if (volume === undefined) return;
  const key = `${volume.pool}/${volume.name}`;
  if (!world.poolVolumes.has(key)) {
    throw new ProviderError("NotFound", `Cannot give VM "${vm.name}" disk "${name}": there is no volume "${key}"`);
  }
  const other = [...world.domains.values()].find(
    (domain) => domain.uid !== vm.uid && domain.disks.some((disk) => isVolume(disk, key)),
  );
  if (other !== undefined) {
    throw new ProviderError(
      "Conflict",
      `Cannot give VM "${vm.name}" disk "${name}": volume "${key}" is in use by domain "${other.name}"`,
    );
  }
}

export function isVolume({ volume }: DiskDefinition, key: string): boolean {
  return volume !== undefined && `${volume.pool}/${volume.name}` === key;
}

/** Volumes carry the VM's name and uid, as on a real host. */
export function volumeName(vm: VmIdentity, disk: string): string {
  const suffix = disk === "seed" ? "seed.iso" : `${disk}.qcow2`;
  return `${domainNameOf(vm)}.${vm.uid.slice(0, 8)}.${suffix}`;
}

interface Found {
  readonly domain: SimulatedDomain;
  readonly foreign?: string;
  /** To be adopted, and nobody's yet. */
  readonly isUnbound?: true;
}

function find(world: SimulatedWorld, vm: VmIdentity): Found | undefined {
  if (vm.adoptedUuid !== undefined) return findAdopted(world, vm, vm.adoptedUuid);
  const byUid = world.domains.get(vm.uid);
  if (byUid !== undefined)
    return byUid.ours ? { domain: byUid } : { domain: byUid, foreign: "it holds this VM's UUID but not its mark" };
  const byName = world.domainByName(domainNameOf(vm));
  return byName === undefined
    ? undefined
    : { domain: byName, foreign: `its UUID is ${byName.uid}, this VM's is ${vm.uid}` };
}

function findAdopted(world: SimulatedWorld, vm: VmIdentity, uuid: string): Found | undefined {
  const domain = world.domains.get(uuid);
  if (domain === undefined) return undefined;
  if (domain.adoptedBy?.uid === vm.uid) return { domain };
  const owner = domain.adoptedBy ?? (domain.ours ? domain.definition?.identity : undefined);
  return owner === undefined
    ? { domain, isUnbound: true }
    : { domain, foreign: `it belongs to VM ${owner.namespace}/${owner.name}` };
}

export function ownDomain(world: SimulatedWorld, vm: VmIdentity, action: string): SimulatedDomain | undefined {
  const found = find(world, vm);
  if (found?.isUnbound === true) {
    throw new ProviderError(
      "Conflict",
      `Cannot ${action} VM "${vm.name}": domain "${found.domain.name}" is not adopted`,
    );
  }
  if (found?.foreign !== undefined) {
    throw new ProviderError(
      "Conflict",
      `Cannot ${action} VM "${vm.name}": domain "${found.domain.name}" is not ours: ${found.foreign}`,
    );
  }
  return found?.domain;
}

export function requireOwn(world: SimulatedWorld, vm: VmIdentity, action: string): SimulatedDomain {
  const domain = ownDomain(world, vm, action);
  if (domain === undefined) throw new ProviderError("NotFound", `Cannot ${action} VM "${vm.name}": it has no domain`);
  return domain;
}

/** `action` completes "Cannot … VM". */
export function requireRunning(world: SimulatedWorld, vm: VmIdentity, action: string): SimulatedDomain {
  const domain = requireOwn(world, vm, action);
  if (!isOn(domain)) {
    throw new ProviderError(
      "Conflict",
      `Cannot ${action} VM "${vm.name}": it is "${domain.power}", expected "running"`,
    );
  }
  return domain;
}

/** The guest begins anew. */
export function boot(domain: SimulatedDomain): void {
  domain.boots += 1;
  domain.serialLog += `boot ${domain.boots} of ${domain.name}\n`;
}

/** Domains that others made are small. */
export function sizeOf({ definition }: SimulatedDomain): { readonly cpus: number; readonly memoryBytes: number } {
  return { cpus: definition?.cpus ?? 1, memoryBytes: definition?.memoryBytes ?? 64 * 1024 ** 2 };
}

/** A crashed domain still holds its resources until it is forced off. */
export function isOn(domain: SimulatedDomain): boolean {
  return domain.power !== "off";
}

function giveLease(world: SimulatedWorld, domain: SimulatedDomain): void {
  for (const { mac } of domain.nics) {
    if (world.addresses.has(mac)) continue;
    world.addresses.set(mac, { ip: `192.168.122.${10 + world.addresses.size}`, mac, source: "lease" });
  }
}

async function after(clock: Clock, ms: number, act: () => void): Promise<void> {
  await (ms > 0 ? clock.delay(ms) : undefined);
  act();
}
