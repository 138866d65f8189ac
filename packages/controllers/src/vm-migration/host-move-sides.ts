// Which of two hosts has a machine after an attempt to move it, however that ended; and the machine given back to its own controller.

import { VirtualMachine } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { MoveSide } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import { withDeadline } from "../deadline.ts";
import { requestOf } from "../request-of.ts";
import { identityOf } from "../virtual-machine/resolve/definition.ts";
import { placeOf } from "./host-move-parts.ts";
import type { HostMoveParts } from "./host-move-parts.ts";
import { withoutMoving } from "./moving.ts";
import type { Moving } from "./moving.ts";

/** Copies may have to be removed. */
const settleDeadlineMs = 300_000;

/** Both hosts have to answer: where one does not, nobody knows. */
export async function settleSides(
  parts: HostMoveParts,
  vm: VirtualMachine,
  { moving, signal }: { readonly moving: Moving; readonly signal: AbortSignal },
): Promise<MoveSide> {
  const { open } = placeOf(parts, vm);
  const [role, target] = [open(moving.from)?.migration, open(moving.to)?.migration?.target];
  if (role === undefined || target === undefined) {
    const away = role === undefined ? moving.from : moving.to;
    throw new ProviderError("Unavailable", `host "${away}" is not connected`);
  }
  const move = {
    to: target,
    mode: moving.mode === "Live" ? "live" : "offline",
    storage: moving.storage === "Shared" ? "shared" : "copied",
  } as const;
  return withDeadline((inner) => role.settle(identityOf(vm), move, { signal: inner }), {
    clock: parts.clock,
    what: `find out on which host VM "${vm.metadata.name}" is`,
    deadlineMs: settleDeadlineMs,
    signal,
  });
}

export async function giveBack(
  { manager, turns, clock }: HostMoveParts,
  vm: VirtualMachine,
  {
    side,
    wasShutDown,
    signal,
  }: { readonly side: MoveSide; readonly wasShutDown: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const moving = vm.status?.moving;
  if (vm.status === undefined || moving === undefined) return;
  const host = side === "target" ? moving.to : moving.from;
  const status = withoutMoving(vm.status, { host, wasShutDown, nowMs: clock.now() });
  await writeStatus(manager.client, { type: VirtualMachine, object: vm, status }, { signal });
  turns.giveBack(requestOf(vm));
}
