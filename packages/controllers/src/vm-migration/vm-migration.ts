// The VMMigration controller: moves the VirtualMachine of each VMMigration to another host, and settles what is left of moves whose
// VMMigration is gone.

import { findCondition, Host, Provider, VirtualMachine, VMClass, VMMigration, VMSnapshot } from "@vivarium/api";
import type { ExportedDisk, MoveProgress, MoveReport } from "@vivarium/provider";
import { related } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import type { MachineTurns } from "../machine-turns.ts";
import { ObjectNews } from "../object-news.ts";
import type { Placer } from "../placement/placer.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { reconcileInSteps } from "../steps/reconcile-in-steps.ts";
import { createPlacer } from "../virtual-machine/host-chooser.ts";
import { hostMoveKind } from "./host-move.ts";
import type { HostMoveParts } from "./host-move-parts.ts";
import { giveBack, settleSides } from "./host-move-sides.ts";
import { providerMoveKind } from "./provider-move.ts";
import { migrationLabel, targetKeyOf } from "./provider-move-target.ts";

export interface VmMigrationControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
  readonly turns: MachineTurns;
  /** Shared with the VirtualMachine controller: one ledger says what is held of each host. */
  readonly placer?: Placer;
}

export function createVmMigrationController(options: VmMigrationControllerOptions): Controller {
  const { manager, providers, clock, turns, placer = createPlacer(options.manager) } = options;
  const migrations = manager.cache(VMMigration);
  const machines = manager.cache(VirtualMachine);
  const providerObjects = manager.cache(Provider);
  const classes = manager.cache(VMClass);
  const tasks = new ObjectTasks<MoveReport, MoveProgress>(clock);
  const exports = new ObjectTasks<readonly ExportedDisk[], MoveProgress>(clock);
  const parts: HostMoveParts = {
    manager,
    providers,
    clock,
    turns,
    tasks,
    placer,
    migrations,
    machines,
    hosts: manager.cache(Host),
    snapshots: manager.cache(VMSnapshot),
    related: {
      providers: () => providerObjects.list(),
      provider: (key) => providerObjects.get(key),
      vmClass: (key) => classes.get(key),
    },
  };
  const moveToHost = reconcileInSteps(hostMoveKind(parts), { manager, clock });
  const moveToProvider = reconcileInSteps(providerMoveKind({ ...parts, exports }), { manager, clock });
  const machineNews = new ObjectNews<VirtualMachine>(({ status, spec }) => [
    status?.moving,
    status?.host,
    status?.domain,
    status?.powerState,
    status?.provider?.["madeOn"],
    findCondition(status?.conditions, "Ready")?.message,
    spec.placement,
    spec.snapshot,
  ]);

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const object = migrations.get(request);
    if (object === undefined) {
      for (const each of [tasks, exports]) await each.stop(request);
    }
    await settleOrphans(request, object?.metadata.uid, context.signal);
    if (object === undefined) return undefined;
    return object.spec.target.host === undefined ? moveToProvider(request, context) : moveToHost(request, context);
  }

  /** Machines that are on the way by a migration that somebody removed with force. */
  async function settleOrphans(
    { namespace, name }: ReconcileRequest,
    uid: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    for (const vm of machines.list({ namespace })) {
      const moving = vm.status?.moving;
      if (moving === undefined || moving.migration !== name || moving.uid === uid) continue;
      const side = await settleSides(parts, vm, { moving, signal });
      await giveBack(parts, vm, { side, wasShutDown: false, signal });
    }
  }

  return {
    name: "vm-migration",
    for: VMMigration,
    related: [
      related(VirtualMachine, (vm) => {
        if (!machineNews.isNews(vm)) return [];
        const { namespace = "", name } = vm.metadata;
        const moving = vm.status?.moving;
        return [
          ...migrations
            .list({ namespace })
            .filter(
              (migration) =>
                migration.spec.source.vmRef.name === name ||
                (migration.spec.target.host === undefined && targetKeyOf(migration).name === name),
            )
            .map(requestOf),
          ...(moving === undefined ? [] : [{ namespace, name: moving.migration }]),
        ];
      }),
      related(VMSnapshot, ({ metadata }) => {
        const uid = metadata.labels?.[migrationLabel];
        if (uid === undefined) return [];
        return migrations
          .list({ namespace: metadata.namespace ?? "" })
          .filter((migration) => migration.metadata.uid === uid)
          .map(requestOf);
      }),
    ],
    sources: [tasks.source, exports.source],
    reconcile,
  };
}
