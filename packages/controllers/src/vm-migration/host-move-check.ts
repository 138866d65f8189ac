// Looks at everything that could stand in the way of a move to another host, before anything is touched.

import type { VMMigration } from "@vivarium/api";
import { isProviderError } from "@vivarium/provider";
import type { MoveObstacle } from "@vivarium/provider";
import { withDeadline } from "../deadline.ts";
import { isBeingSnapshotted } from "../virtual-machine/plan/revert-plan.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { hostOfVm } from "../vm-host.ts";
import { blockersByObjects } from "./blockers.ts";
import { placeOf } from "./host-move-parts.ts";
import type { HostMoveParts } from "./host-move-parts.ts";
import type { MoveCheckResult, MoveMode } from "./host-move-plan.ts";
import { sourceOf } from "./migration-parts.ts";

const lookDeadlineMs = 60_000;

export async function checkHostMove(
  parts: HostMoveParts,
  object: VMMigration,
  signal: AbortSignal,
): Promise<MoveCheckResult> {
  const vm = sourceOf(parts, object);
  const { host: to = "" } = object.spec.target;
  const wanted = object.spec.options?.mode ?? "Auto";
  const none = { mode: wanted === "Offline" ? "Offline" : "Live", storage: "shared" } as const;
  if (vm === undefined) return { ...none, blockers: [] };
  const { provider, open } = placeOf(parts, vm);
  if (provider === undefined) {
    const message = "the Provider of the machine does not exist";
    return { ...none, blockers: [{ reason: "ProviderNotFound", message, isTemporary: true }] };
  }
  const from = hostOfVm(vm, provider);
  const source = from === undefined ? undefined : open(from);
  const target = open(to);
  const { namespace = "" } = provider.metadata;
  const blockers = blockersByObjects({
    vm,
    provider,
    from,
    to,
    target: parts.hosts.get({ namespace, name: to }),
    placement: parts.placer.whyNotTo(vm, { provider, to }),
    isBeingSnapshotted: isBeingSnapshotted(vm, parts.snapshots.list({ namespace: vm.metadata.namespace ?? "" })),
    isConnected: { from: source !== undefined, to: target !== undefined },
  });
  if (source === undefined || target === undefined) return { ...none, blockers };
  if (source.migration === undefined || target.migration === undefined) {
    const message = `hypervisors of type "${source.type}" cannot move machines`;
    return { ...none, blockers: [...blockers, { reason: "Unsupported", message }] };
  }
  try {
    const [role, goal] = [source.migration, target.migration.target];
    const identity = identityOf(vm);
    return await withDeadline(
      async (inner) => {
        const seen = await source.compute.observe(identity, { signal: inner });
        const isOn = seen.kind === "present" && seen.power !== "off" && seen.power !== "crashed";
        const mode: MoveMode = wanted === "Auto" ? (isOn ? "Live" : "Offline") : wanted;
        const { copyStorage, postCopy } = object.spec.options ?? {};
        const outlook = await role.check(
          identity,
          {
            to: goal,
            mode: mode === "Live" ? "live" : "offline",
            ...(copyStorage === undefined ? {} : { copyStorage }),
            ...(postCopy === undefined ? {} : { postCopy }),
          },
          { signal: inner },
        );
        // It is shut down for that.
        const counts = ({ reason }: MoveObstacle): boolean =>
          !(mode === "Offline" && isOn && reason === "MachineRunning");
        return { mode, storage: outlook.storage, blockers: [...blockers, ...outlook.obstacles.filter(counts)] };
      },
      {
        clock: parts.clock,
        what: `check the move of VM "${identity.name}"`,
        deadlineMs: lookDeadlineMs,
        signal,
      },
    );
  } catch (error) {
    if (!isProviderError(error)) throw error;
    const isTemporary = error.code === "Unavailable" || error.code === "Timeout" || error.code === "Internal";
    return { ...none, blockers: [...blockers, { reason: error.code, message: error.message, isTemporary }] };
  }
}
