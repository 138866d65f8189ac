// Domains: looked at, defined, started, stopped, removed. Each act looks first, so that a repeat after a crash finds its own work done.

import { DomainCreateFlags, DomainDefineFlags, isLibvirtError } from "@vivarium/libvirt";
import type { Libvirt } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type {
  CallOptions,
  ComputeRole,
  DiskObservation,
  ResourceLimits,
  VmDefinition,
  VmIdentity,
  VmObservation,
} from "@vivarium/provider";
import { checkDefinition } from "./check.ts";
import { askGuest } from "./domain/ask-guest.ts";
import { buildDomainXml } from "./domain/build.ts";
import { isSeed, nameOfDisk } from "./domain/disks.ts";
import { overlaySetting } from "./domain/overlay.ts";
import { findDomain, findOwnDomain, requireOwnDomain } from "./domain/lookup.ts";
import type { FoundDomain, OwnDomain } from "./domain/lookup.ts";
import { undefineDomain } from "./domain/undefine.ts";
import type { DomainView } from "./domain/view.ts";
import type { FactSource } from "./host-facts.ts";
import { diskVolumeName, isVolumeOf, seedVolumeName, serialLogName } from "./names.ts";
import type { FilterStore } from "./nics/filters.ts";
import { nicObservation } from "./nics/observe-nic.ts";
import type { ShapingProbe } from "./nics/shaping.ts";
import type { OpenPool, VolumePool } from "./pool.ts";
import { headsOf } from "./snapshots/heads.ts";
import { newScreenPassword } from "./screen/password.ts";
import { limitsOf } from "./sizing/limits.ts";
import type { LimitsView } from "./sizing/limits.ts";
import { diskVolumesOf } from "./storage/disk-volumes.ts";
import type { DiskVolumeParts } from "./storage/disk-volumes.ts";

export interface ComputeParts extends DiskVolumeParts {
  readonly pool: VolumePool;
  readonly facts: FactSource;
  readonly filters: FilterStore;
  readonly shaping: ShapingProbe;
}

export function createCompute({ host, pool, facts, usage, filters, shaping }: ComputeParts): ComputeRole {
  return {
    observe: (vm, options) => observe({ host, pool, facts }, { vm, options }),

    async check(definition, options) {
      const known = await facts.get(options);
      await host.attempt(
        `check VM "${definition.identity.name}"`,
        (libvirt) =>
          checkDefinition(definition, {
            libvirt,
            facts: known,
            isLocal: host.isLocal,
            allowsOverlay: host.config.allowsOverlay === true,
            shaping,
            options,
          }),
        options,
      );
      await diskVolumesOf(definition.identity, definition.disks, { host, usage, options });
    },

    async define(definition, options) {
      const hostFacts = await facts.get(options);
      const vm = definition.identity;
      refuseAdopted(vm, "define");
      await requireVolumes(pool, { definition, options });
      const volumePaths = await diskVolumesOf(vm, definition.disks, { host, usage, options });
      // Made ahead of virtlogd, so that libvirt knows it as a volume and it can be read from afar.
      const log = serialLogName(vm);
      await pool.create({ name: log, format: "raw", capacityBytes: 0, allocationBytes: 0 }, options);
      const define = async ({ libvirt, path }: OpenPool): Promise<void> => {
        const own = await findOwnDomain(libvirt, { vm, options, action: "define" });
        const known = own === undefined ? [] : own.view.disks;
        const password = newScreenPassword(host);
        const xml = buildDomainXml(definition, {
          acceleration: hostFacts.acceleration.kind,
          host: hostFacts,
          poolPath: path,
          volumePaths,
          known,
          knownNics: own?.view.nics ?? [],
          heads: await headsOf(vm, definition.disks, { pool, poolPath: path, known, options }),
          ...(own === undefined ? {} : { record: own.view.snapshots }),
          ...(password === undefined ? {} : { screenPassword: password }),
        });
        // What a user added is held against libvirt's schema; what is built here is known to fit.
        const flags = definition.extraConfig?.[overlaySetting] === undefined ? 0 : DomainDefineFlags.VALIDATE;
        const domain = await libvirt.domainDefineXmlFlags(xml, { ...options, flags });
        await libvirt.domainSetAutostart(domain, definition.startsOnBoot === true, options);
      };
      await host.definitions.take(vm.uid, () =>
        filters.changing({ uid: vm.uid, nics: definition.networks, options }, () =>
          pool.use(`define VM "${vm.name}"`, define, options),
        ),
      );
    },

    async start(vm, options) {
      await host.attempt(
        `start VM "${vm.name}"`,
        async (libvirt) => {
          const own = await requireOwnDomain(libvirt, { vm, options, action: "start" });
          if (own.power.power === "crashed") {
            throw new ProviderError("Conflict", `Cannot start VM "${vm.name}": domain is "crashed", expected "off"`);
          }
          if (own.power.power !== "off") return;
          try {
            const flags = options?.isPaused === true ? DomainCreateFlags.PAUSED : 0;
            await libvirt.domainCreateWithFlags(own.domain, { ...options, flags });
          } catch (error) {
            if (!(await isNowOn(libvirt, { error, vm, options }))) throw error;
          }
        },
        options,
      );
    },

    async requestShutdown(vm, options) {
      await host.attempt(
        `shut down VM "${vm.name}"`,
        async (libvirt) => {
          const own = await requireOwnDomain(libvirt, { vm, options, action: "shut down" });
          if (own.power.power === "off") return;
          await askGuest((flags, how) => libvirt.domainShutdownFlags(own.domain, { ...how, flags }), {
            hasAgent: own.view.agentConnected,
            options,
          });
        },
        options,
      );
    },

    async forceOff(vm, options) {
      await host.attempt(
        `force VM "${vm.name}" off`,
        async (libvirt) => {
          const own = await requireOwnDomain(libvirt, { vm, options, action: "force off" });
          if (own.power.power === "off") return;
          try {
            await libvirt.domainDestroyFlags(own.domain, options);
          } catch (error) {
            // Went off by itself meanwhile.
            if (!isLibvirtError(error, "OPERATION_INVALID")) throw error;
            const now = await requireOwnDomain(libvirt, { vm, options, action: "force off" });
            if (now.power.power !== "off") throw error;
          }
        },
        options,
      );
    },

    async undefine(vm, options) {
      refuseAdopted(vm, "undefine");
      const undefine = async (libvirt: Libvirt): Promise<void> => {
        const own = await findOwnDomain(libvirt, { vm, options, action: "undefine" });
        if (own === undefined) return;
        // libvirt would only make a running domain transient.
        if (own.power.power !== "off") {
          const message = `Cannot undefine VM "${vm.name}": domain is "${own.power.power}", expected "off"`;
          throw new ProviderError("Conflict", message);
        }
        await undefineDomain(libvirt, { domain: own.domain, options });
      };
      await filters.changing({ uid: vm.uid, nics: [], options }, () =>
        host.attempt(`undefine VM "${vm.name}"`, undefine, options),
      );
    },
  };
}

function refuseAdopted(vm: VmIdentity, action: string): void {
  if (vm.adoptedUuid === undefined) return;
  const message = `Cannot ${action} VM "${vm.name}": its domain was adopted, and stays as it was found`;
  throw new ProviderError("Conflict", message);
}

interface Subject {
  readonly vm: VmIdentity;
  readonly options: CallOptions | undefined;
}

async function observe(
  { host, pool, facts }: Pick<ComputeParts, "host" | "pool" | "facts">,
  { vm, options }: Subject,
): Promise<VmObservation> {
  const [found, names] = await Promise.all([
    host.attempt(`look at VM "${vm.name}"`, (libvirt) => lookAt(libvirt, { vm, options }), options),
    pool.names(options),
  ]);
  const volumes = names.filter((name) => isVolumeOf(vm, name));
  switch (found.kind) {
    case "absent":
      return { kind: "absent", volumes };
    case "foreign":
      return { kind: "foreign", domain: found.domain.name, reason: found.reason };
    case "unbound":
      return { kind: "unbound", domain: found.domain.name };
    case "own":
      return {
        kind: "present",
        domain: found.domain.name,
        ...found.power,
        ...(found.hasSavedMemory ? { hasSavedMemory: true } : {}),
        cpus: found.view.cpus,
        memoryBytes: found.view.memoryBytes,
        maxCpus: found.view.maxCpus,
        maxMemoryBytes: found.view.maxMemoryBytes,
        limits: await limitsSeen(found.view.limits, { facts, options }),
        nics: found.view.nics.map(nicObservation),
        disks: disksOf(vm, found.view),
        agentConnected: found.view.agentConnected,
        volumes,
      };
  }
}

/** The host's speed is only asked for where it matters. */
async function limitsSeen(
  view: LimitsView,
  { facts, options }: { readonly facts: FactSource; readonly options: CallOptions | undefined },
): Promise<ResourceLimits> {
  return limitsOf(view, view.cpus === undefined ? 0 : (await facts.get(options)).cpuMhz);
}

type LookedAt = Exclude<FoundDomain, { kind: "own" }> | (OwnDomain & { readonly hasSavedMemory: boolean });

async function lookAt(libvirt: Libvirt, subject: Subject): Promise<LookedAt> {
  const found = await findDomain(libvirt, subject);
  if (found.kind !== "own") return found;
  // Memory is saved of a domain that is off, and of no other.
  const hasSavedMemory =
    found.power.power === "off" && (await libvirt.domainHasManagedSaveImage(found.domain, subject.options));
  return { ...found, hasSavedMemory };
}

function disksOf(vm: VmIdentity, view: DomainView): readonly DiskObservation[] {
  return view.disks
    .filter((disk) => !isSeed(vm, disk))
    .map((disk) => {
      const name = nameOfDisk(vm, disk);
      const { target, limits } = disk;
      // All that an adopted domain has is the VM's.
      const isOurs = name !== undefined || vm.adoptedUuid !== undefined;
      return { name: name ?? target, isOurs, target, limits };
    });
}

async function requireVolumes(
  pool: VolumePool,
  { definition, options }: { readonly definition: VmDefinition; readonly options: CallOptions | undefined },
): Promise<void> {
  const vm = definition.identity;
  const present = new Set(await pool.names(options));
  const own = definition.disks.filter((disk) => disk.volume === undefined);
  const wanted = [...own.map((disk) => diskVolumeName(vm, disk.name)), seedVolumeName(vm)];
  const missing = wanted.filter((name) => !present.has(name));
  if (missing.length > 0) {
    throw new ProviderError("NotFound", `Cannot define VM "${vm.name}": no volume ${missing.join(", ")} in the pool`);
  }
}

/** Whether a failed start failed only because somebody else was faster. */
async function isNowOn(
  libvirt: Libvirt,
  { error, vm, options }: Subject & { readonly error: unknown },
): Promise<boolean> {
  if (!isLibvirtError(error, "OPERATION_INVALID")) return false;
  const now = await findDomain(libvirt, { vm, options });
  return now.kind === "own" && now.power.power !== "off" && now.power.power !== "crashed";
}
