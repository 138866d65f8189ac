// The vm-unlink controller: makes VirtualMachines that are linked clones independent of what they were made from, when their annotation
// asks for it.

import { linkedToLabel, Provider, unlinkAnnotation, unlinkProgressAnnotation, VirtualMachine } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { CloneProgress } from "@vivarium/provider";
import type {
  Clock,
  Controller,
  Manager,
  ReconcileContext,
  ReconcileRequest,
  ReconcileResult,
} from "@vivarium/runtime";
import type { ProviderRegistry } from "../provider-registry.ts";
import { ObjectTasks } from "../steps/object-tasks.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { connectionOfMade } from "../vm-host.ts";
import { decideUnlink } from "./vm-unlink-plan.ts";

export interface VmUnlinkControllerOptions {
  readonly manager: Manager;
  readonly providers: ProviderRegistry;
  readonly clock: Clock;
}

/** A large disk takes long to be drawn in; a host that hangs must not hold it for ever. */
const workDeadlineMs = 4 * 3_600_000;
const mostSteps = 5;

export function createVmUnlinkController({ manager, providers, clock }: VmUnlinkControllerOptions): Controller {
  const machines = manager.cache(VirtualMachine);
  const providerObjects = manager.cache(Provider);
  const tasks = new ObjectTasks<void, CloneProgress>(clock);
  /** Failures that were told of. */
  const told = new Map<string, string>();

  async function reconcile(request: ReconcileRequest, { signal }: ReconcileContext): Promise<ReconcileResult> {
    const key = `${request.namespace}/${request.name}`;
    for (let count = 0; count < mostSteps; count++) {
      const vm = machines.get(request);
      const role = vm && roleOf(vm);
      const step = decideUnlink({
        nowMs: clock.now(),
        isAsked: vm?.metadata.annotations?.[unlinkAnnotation] !== undefined,
        isDeleting: vm?.metadata.deletionTimestamp !== undefined,
        isMade: vm?.status?.domain !== undefined,
        isConnected: role !== undefined,
        task: tasks.state(request),
      });
      if (vm === undefined || step.kind === "Forget") {
        told.delete(key);
        await tasks.stop(request);
        if (vm !== undefined && vm.metadata.deletionTimestamp === undefined) await writeProgress(vm, undefined, signal);
        return undefined;
      }
      switch (step.kind) {
        case "Work":
          tell(vm, "Normal", "Unlinking", "Its disks are being made independent of what they were made from");
          tasks.start(
            request,
            async (options) => {
              if (role === undefined) throw new ProviderError("Unavailable", "Its Provider is not connected");
              await role.unlink(identityOf(vm), { signal: options.signal, onProgress: options.report });
            },
            {
              timeoutMs: workDeadlineMs,
              timeoutError: new ProviderError("Timeout", `Not independent within ${workDeadlineMs / 3_600_000} h`),
            },
          );
          break;
        case "Finish": {
          const { uid = "" } = vm.metadata;
          const metadata = {
            uid,
            annotations: { [unlinkAnnotation]: null, [unlinkProgressAnnotation]: null },
            labels: { [linkedToLabel]: null },
          };
          await manager.client.mergePatch(VirtualMachine, request, { metadata }, { signal });
          await tasks.stop(request);
          tell(vm, "Normal", "Unlinked", "Its disks need nothing but themselves");
          return undefined;
        }
        case "Tell":
          if (told.get(key) !== step.error.message) {
            told.set(key, step.error.message);
            tell(vm, "Warning", "UnlinkFailed", step.error.message);
          }
          return { requeueAfterMs: Math.max(0, step.retryAtMs - clock.now()) };
        case "Wait":
          if (step.percentage !== undefined) await writeProgress(vm, step.percentage, signal);
          return step.lookAgainAtMs === undefined
            ? undefined
            : { requeueAfterMs: Math.max(0, step.lookAgainAtMs - clock.now()) };
      }
    }
    return { requeueAfterMs: 0 };
  }

  function roleOf(vm: VirtualMachine) {
    const connection = connectionOfMade(vm, (key) => providerObjects.get(key));
    return connection && providers.get(connection)?.clones;
  }

  /** For those who wait; nothing here reads it. */
  async function writeProgress(
    { metadata }: VirtualMachine,
    percentage: number | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace = "", name, uid = "", annotations } = metadata;
    const text = percentage?.toString();
    if (annotations?.[unlinkProgressAnnotation] === text) return;
    const wanted = { uid, annotations: { [unlinkProgressAnnotation]: text ?? null } };
    await manager.client.mergePatch(VirtualMachine, { namespace, name }, { metadata: wanted }, { signal });
  }

  function tell(vm: VirtualMachine, type: "Normal" | "Warning", reason: string, message: string): void {
    manager.recorder.record(vm, { type, reason, message });
  }

  return {
    name: "vm-unlink",
    for: VirtualMachine,
    sources: [tasks.source],
    reconcile,
  };
}
