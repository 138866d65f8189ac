// Puts the roles of one libvirt connection together.

import type { Libvirt } from "@vivarium/libvirt";
import { systemClock } from "@vivarium/provider";
import type { CallOptions, Clock, HypervisorInfo, Provider, ProviderConfig, ProviderFactory } from "@vivarium/provider";
import type { Logger } from "pino";
import { createAdoption } from "./adoption/adoption-role.ts";
import { lookUpAddresses } from "./addresses/lookup.ts";
import { releaseLeases } from "./addresses/release.ts";
import { createClones } from "./clones/create-clones.ts";
import { createCompute } from "./compute.ts";
import { createConsole } from "./console/create-console.ts";
import { createDisks } from "./disks.ts";
import { changeOf, subscribeToHost } from "./events.ts";
import { createGuest } from "./guest/create-guest.ts";
import { createHostRole } from "./host/host-role.ts";
import { FactSource } from "./host-facts.ts";
import { createImageBackups } from "./image-backups/create-image-backups.ts";
import { createImages } from "./images.ts";
import { createLayers } from "./layers/create-layers.ts";
import { LibvirtHost } from "./libvirt-host.ts";
import type { Memo } from "./libvirt-host.ts";
import { createNics } from "./nics/create-nics.ts";
import { FilterStore } from "./nics/filters.ts";
import { HostNics } from "./nics/host-nics.ts";
import { ShapingProbe } from "./nics/shaping.ts";
import { createMigration } from "./migration/create-migration.ts";
import { createNetworks } from "./network/networks.ts";
import { NetworkUsers } from "./network/users.ts";
import { VolumePool } from "./pool.ts";
import { createStats } from "./stats/create-stats.ts";
import { createRunState } from "./run-state/create-run-state.ts";
import { createSnapshots } from "./snapshots/create-snapshots.ts";
import { createScreen } from "./screen/create-screen.ts";
import { createSizing } from "./sizing/create-sizing.ts";
import { createHotplug } from "./storage/hotplug.ts";
import { createPools } from "./storage/pools.ts";
import { VolumeUsage } from "./storage/usage.ts";
import { createVolumes } from "./storage/volumes.ts";

export interface LibvirtProviderOptions {
  readonly logger: Logger;
  /** Keeps what is expensive to find out, across restarts. */
  readonly memo: Memo;
  readonly clock?: Clock;
}

export function createLibvirtProviderFactory({
  logger,
  memo,
  clock = systemClock,
}: LibvirtProviderOptions): ProviderFactory {
  return {
    type: "libvirt",
    open(config: ProviderConfig): Provider {
      const log = logger.child({ endpoint: config.endpoint });
      const host = new LibvirtHost({ config, log, clock, memo });
      const pool = new VolumePool(host);
      const facts = new FactSource({ host, pool });
      const usage = new VolumeUsage(clock);
      const hostNics = new HostNics();
      const filters = new FilterStore({ host, hostNics });
      const shaping = new ShapingProbe(host);
      const networkUsers = new NetworkUsers(clock);
      host.connection?.onDomainEvent((event) => {
        if (changeOf(event) === undefined) return;
        usage.forget();
        hostNics.forget(event.domain.uuid);
        networkUsers.forget();
      });
      host.connection?.onState(() => hostNics.forgetAll());
      const closing = new AbortController();
      return {
        type: "libvirt",
        compute: createCompute({ host, pool, facts, usage, filters, shaping }),
        disks: createDisks({ host, pool, usage }),
        images: createImages({ pool, usage }),
        layers: createLayers({ host, pool, usage }),
        imageBackups: createImageBackups({ pool, usage }),
        addresses: {
          lookup: (vm, macs, options) => lookUpAddresses(host, { vm, macs, options }),
          release: (macs, options) => releaseLeases(host, { macs, options }),
        },
        console: createConsole({ host, pool }),
        screen: createScreen(host),
        pools: createPools(host),
        volumes: createVolumes({ host, usage }),
        hotplug: createHotplug({ host, pool, usage }),
        stats: createStats(host),
        nics: createNics({ host, facts, hostNics, filters, shaping }),
        guest: createGuest(host),
        host: createHostRole({ host, facts }),
        networks: createNetworks({ host, users: networkUsers }),
        runState: createRunState(host),
        snapshots: createSnapshots({ host, pool, usage }),
        sizing: createSizing({ host, facts }),
        clones: createClones({ host, pool, usage }),
        migration: createMigration({ host, pool, facts, filters }),
        adoption: createAdoption({ host, usage }),
        describe: (options) => describe({ host, pool, facts }, options),
        subscribe: (listener, { signal }) =>
          subscribeToHost(host, { listener, signal: AbortSignal.any([signal, closing.signal]) }),
        close() {
          closing.abort();
          host.close();
          return Promise.resolve();
        },
      };
    },
  };
}

async function describe(
  { host, pool, facts }: { readonly host: LibvirtHost; readonly pool: VolumePool; readonly facts: FactSource },
  options: CallOptions | undefined,
): Promise<HypervisorInfo> {
  const { endpoint, timeoutMs } = host.config;
  await host.attempt(`reach "${endpoint}"`, (libvirt) => libvirt.ready({ ...options, timeoutMs }), options);
  const [known, freeMemoryBytes, domains, storage] = await Promise.all([
    facts.get(options),
    host.attempt("ask for free memory", (libvirt) => freeMemory(libvirt, options), options),
    host.attempt("list domains", (libvirt) => libvirt.connectListAllDomains(options), options),
    pool.use("ask for free space", ({ libvirt, pool }) => libvirt.storagePoolGetInfo(pool, options), options),
  ]);
  return {
    hostname: known.hostname,
    version: known.version,
    architecture: known.architecture,
    cpus: known.cpus,
    memoryBytes: known.memoryBytes,
    freeMemoryBytes,
    storage: { totalBytes: storage.capacityBytes, availableBytes: storage.availableBytes },
    vms: domains.length,
    acceleration: known.acceleration,
    capabilities: known.capabilities,
  };
}

/** Page cache counts as free: the kernel gives it up for a guest. */
async function freeMemory(libvirt: Libvirt, options: CallOptions | undefined): Promise<number> {
  const stats = await libvirt.nodeGetMemoryStats(undefined, options);
  return (stats.freeBytes ?? 0) + (stats.cachedBytes ?? 0) + (stats.buffersBytes ?? 0);
}
