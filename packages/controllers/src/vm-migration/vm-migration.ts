// The VMMigration controller: moves the VirtualMachine of each VMMigration to another host, and settles what is left of moves whose
// VMMigration is gone.

import {
  formatTime,
  Host,
  Provider,
  setCondition,
  VirtualMachine,
  VMClass,
  VMMigration,
  VMSnapshot,
} from "@vivarium/api";
import type { MoveProgress, MoveReport } from "@vivarium/provider";
import { related, writeStatus } from "@vivarium/runtime";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import { BackgroundTasks } from "../background-tasks.ts";
import type { MachineTurns } from "../machine-turns.ts";
import { ObjectNews } from "../object-news.ts";
import type { Placer } from "../placement/placer.ts";
import type { ProviderRegistry } from "../provider-registry.ts";
import { requestOf } from "../request-of.ts";
import { observedGenerationOf } from "../verdict.ts";
import { createPlacer } from "../virtual-machine/host-chooser.ts";
import { giveBack, reconcileHostMove, settleSides } from "./host-move.ts";
import type { HostMoveParts } from "./host-move.ts";

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
  let wake: (request: ReconcileRequest) => void = () => undefined;
  const tasks = new BackgroundTasks<MoveReport, MoveProgress>({ clock, onChange: (key) => wake(requestOfKey(key)) });
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
  const machineNews = new ObjectNews<VirtualMachine>(({ status, spec }) => [
    status?.moving,
    status?.host,
    status?.domain,
    spec.placement,
    spec.snapshot,
  ]);

  async function reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult> {
    const object = migrations.get(request);
    if (object === undefined) await tasks.stop(`${request.namespace}/${request.name}`);
    await settleOrphans(request, object?.metadata.uid, context);
    if (object === undefined) return undefined;
    if (object.spec.target.host !== undefined) return reconcileHostMove(parts, request, context);
    return refuse(object, context);
  }

  /** Machines that are on the way by a migration that somebody removed with force. */
  async function settleOrphans(
    { namespace, name }: ReconcileRequest,
    uid: string | undefined,
    context: ReconcileContext,
  ): Promise<void> {
    for (const vm of machines.list({ namespace })) {
      const moving = vm.status?.moving;
      if (moving === undefined || moving.migration !== name || moving.uid === uid) continue;
      const side = await settleSides(parts, vm, { moving, context });
      await giveBack(parts, vm, { side, wasShutDown: false, signal: context.signal });
    }
  }

  async function refuse(object: VMMigration, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const message = "spec.target names no host: machines are moved between the hosts of one Provider";
    const observed = observedGenerationOf(object);
    const now = new Date(clock.now());
    const ready = { type: "Ready", status: "False", reason: "InvalidSpec", message, ...observed } as const;
    const status = {
      ...object.status,
      phase: "Failed" as const,
      message,
      completionTime: object.status?.completionTime ?? formatTime(now),
      ...observed,
      conditions: setCondition(object.status?.conditions, ready, { now }),
    };
    await writeStatus(manager.client, { type: VMMigration, object, status }, { signal });
    return undefined;
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
            .filter(({ spec }) => spec.source.vmRef.name === name)
            .map(requestOf),
          ...(moving === undefined ? [] : [{ namespace, name: moving.migration }]),
        ];
      }),
    ],
    sources: [
      (enqueue, { signal }) => {
        wake = enqueue;
        signal.addEventListener("abort", () => void tasks.stopAll(), { once: true });
      },
    ],
    reconcile,
  };
}

function requestOfKey(key: string): ReconcileRequest {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}
