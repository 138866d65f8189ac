// What both ways of a migration work with.

import type { Host, Provider, VirtualMachine, VMMigration, VMSnapshot } from "@vivarium/api";
import type { Cache, Clock, Manager } from "@vivarium/runtime";
import type { MachineTurns } from "../machine-turns.ts";
import type { Placer } from "../placement/placer.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { resolveProvider } from "../virtual-machine/resolve/definition.ts";
import type { RelatedObjects } from "../virtual-machine/resolve/definition.ts";
import { readRecord } from "../virtual-machine/status/stored-record.ts";

export interface MigrationParts {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly turns: MachineTurns;
  readonly placer: Placer;
  readonly migrations: Cache<VMMigration>;
  readonly machines: Cache<VirtualMachine>;
  readonly hosts: Cache<Host>;
  readonly snapshots: Cache<VMSnapshot>;
  readonly related: Pick<RelatedObjects, "providers" | "provider" | "vmClass">;
}

/** The machine that is to move. */
export function sourceOf({ machines }: MigrationParts, { metadata, spec }: VMMigration): VirtualMachine | undefined {
  return machines.get({ namespace: metadata.namespace ?? "", name: spec.source.vmRef.name });
}

/** The Provider that a machine is on, or is to be on. */
export function providerOf({ related }: MigrationParts, vm: VirtualMachine): Provider | undefined {
  const resolved = resolveProvider(vm, related, readRecord(vm.status).madeOn);
  return resolved.ok ? resolved.value : resolved.made;
}

type Outcome = "Moved" | "AlreadyThere" | "Cancelled" | "Blocked" | "Failed";

/** In the words of its status. */
export function tellEnd({ manager, migrations }: MigrationParts, object: VMMigration, outcome: Outcome): void {
  const message = (migrations.get(requestOf(object)) ?? object).status?.message ?? "";
  manager.recorder.record(object, { ...endings[outcome], message });
}

const complete = { type: "Normal", reason: "MigrationComplete" } as const;
const failed = { type: "Warning", reason: "MigrationFailed" } as const;
const endings = {
  Moved: complete,
  AlreadyThere: complete,
  Cancelled: { type: "Normal", reason: "MigrationCancelled" },
  Blocked: failed,
  Failed: failed,
} as const;
