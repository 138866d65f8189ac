// What a move writes into the status of its machine. Pure.

import { formatTime, setCondition } from "@vivarium/api";
import type { VirtualMachineStatus } from "@vivarium/api";

export type Moving = NonNullable<VirtualMachineStatus["moving"]>;

/** From now on the machine is the migration's. */
export function withMoving(
  status: VirtualMachineStatus | undefined,
  moving: Moving,
  nowMs: number,
): VirtualMachineStatus {
  const now = new Date(nowMs);
  const message = `VMMigration "${moving.migration}" moves it from host "${moving.from}" to host "${moving.to}"`;
  const conditions = setCondition(
    status?.conditions,
    { type: "Migrating", status: "True", reason: moving.mode, message },
    { now },
  );
  return {
    ...status,
    moving,
    // What its own controller says of it holds while it runs on, and not while it is off.
    conditions:
      moving.mode === "Live"
        ? conditions
        : setCondition(conditions, { type: "Ready", status: "False", reason: "Migrating", message }, { now }),
  };
}

/** It is on this host, and its own controller's again. `wasShutDown`: for the move, so that it is no stop to wonder about. */
export function withoutMoving(
  status: VirtualMachineStatus,
  { host, wasShutDown, nowMs }: { readonly host: string; readonly wasShutDown: boolean; readonly nowMs: number },
): VirtualMachineStatus {
  const { moving, startedAt, ...rest } = status;
  const now = new Date(nowMs);
  const isThere = host === moving?.to;
  const message = isThere ? `It was moved to host "${host}"` : `It stayed on host "${host}"`;
  const stop = {
    time: formatTime(now),
    method: "Graceful",
    message: `Shut down to be moved to host "${moving?.to ?? host}"`,
  } as const;
  return {
    ...rest,
    host,
    ...(wasShutDown ? { powerState: "Off" as const, lastStop: stop } : startedAt === undefined ? {} : { startedAt }),
    conditions: setCondition(
      rest.conditions,
      { type: "Migrating", status: "False", reason: isThere ? "Moved" : "NotMoved", message },
      { now },
    ),
  };
}
