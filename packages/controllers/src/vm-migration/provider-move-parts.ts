// What a migration to another Provider works with.

import type { VirtualMachine } from "@vivarium/api";
import type { ExportedDisk, MoveProgress, Provider as OpenProvider } from "@vivarium/provider";
import type { ObjectTasks } from "../steps/object-tasks.ts";
import { connectionOfVm } from "../vm-host.ts";
import { providerOf } from "./migration-parts.ts";
import type { MigrationParts } from "./migration-parts.ts";

export interface ProviderMoveParts extends MigrationParts {
  readonly exports: ObjectTasks<readonly ExportedDisk[], MoveProgress>;
}

/** The hypervisor that a machine is on, or is to be on. */
export function openOf(parts: ProviderMoveParts, vm: VirtualMachine): OpenProvider | undefined {
  const provider = providerOf(parts, vm);
  const connection = provider && connectionOfVm(vm, provider);
  return connection && parts.providers.get(connection);
}
