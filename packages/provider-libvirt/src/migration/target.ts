// A libvirt connection as the goal of a move: what the role of another one needs of it.

import { ProviderError } from "@vivarium/provider";
import type { MigrationTarget } from "@vivarium/provider";
import type { FactSource } from "../host-facts.ts";
import type { LibvirtHost } from "../libvirt-host.ts";
import type { FilterStore } from "../nics/filters.ts";
import type { VolumePool } from "../pool.ts";

export interface MigrationParts {
  readonly host: LibvirtHost;
  readonly pool: VolumePool;
  readonly facts: FactSource;
  readonly filters: FilterStore;
}

export class LibvirtTarget implements MigrationTarget {
  readonly type = "libvirt";
  readonly parts: MigrationParts;

  constructor(parts: MigrationParts) {
    this.parts = parts;
  }
}

export function partsOf(target: MigrationTarget): MigrationParts {
  if (target instanceof LibvirtTarget) return target.parts;
  const message = `Cannot move to a hypervisor of type "${target.type}" from one of type "libvirt"`;
  throw new ProviderError("Unsupported", message);
}
