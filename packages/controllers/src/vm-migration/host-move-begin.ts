// Begins a move to another host: what is remembered of it, what the machine says, and the work itself.

import { parseDuration, parseQuantity, VirtualMachine } from "@vivarium/api";
import type { VMMigration } from "@vivarium/api";
import { ProviderError } from "@vivarium/provider";
import type { MoveTuning } from "@vivarium/provider";
import { writeStatus } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import { gracefulTimeoutOf, identityOf } from "../virtual-machine/resolve/definition.ts";
import { hostOfVm } from "../vm-host.ts";
import { placeOf } from "./host-move-parts.ts";
import type { HostMoveParts } from "./host-move-parts.ts";
import type { MoveCheckResult } from "./host-move-plan.ts";
import { reportHostMove } from "./host-move-report.ts";
import { moveMachine } from "./host-move-work.ts";
import { sourceOf } from "./migration-parts.ts";
import { withMoving } from "./moving.ts";
import type { Moving } from "./moving.ts";
import { migrationRecordOf } from "./vm-migration-record.ts";
import type { MigrationRecord } from "./vm-migration-record.ts";

/** The record of the migration first, then that of the machine: from the second on the machine is the migration's. */
export async function beginHostMove(
  parts: HostMoveParts,
  object: VMMigration,
  { check: { mode, storage }, signal }: { readonly check: MoveCheckResult; readonly signal: AbortSignal },
): Promise<void> {
  const { manager, turns, clock, tasks } = parts;
  const vm = sourceOf(parts, object);
  const { provider, open } = vm === undefined ? { provider: undefined, open: () => undefined } : placeOf(parts, vm);
  const from = vm && provider && hostOfVm(vm, provider);
  const { host: to = "" } = object.spec.target;
  if (vm === undefined || provider === undefined || from === undefined) return;
  const source = open(from);
  const goal = open(to)?.migration?.target;
  if (source === undefined || goal === undefined) throw new ProviderError("Unavailable", "Cannot begin: a host left");
  const { failure: _, ...known } = migrationRecordOf(object);
  const isShutDown = mode === "Offline" && vm.status?.powerState !== "Off";
  const record: MigrationRecord = {
    ...known,
    stage: "moving",
    machine: vm.metadata.uid ?? "",
    startedAtMs: known.startedAtMs ?? clock.now(),
    ...(isShutDown ? { wasShutDown: true } : {}),
  };
  const facts = { from, mode, storage: storage === "shared" ? ("Shared" as const) : ("Copied" as const) };
  const written = await reportHostMove(parts, object, { news: { kind: "Began" }, record, ...facts, signal });
  await turns.run(vm.metadata.uid ?? "", async () => {
    // What its own controller did until now is done; what it read may be older.
    const current = sourceOf(parts, object);
    if (current === undefined || current.metadata.uid !== vm.metadata.uid || current.status?.moving !== undefined)
      return;
    const moving: Moving = {
      migration: object.metadata.name,
      uid: object.metadata.uid ?? "",
      to,
      ...facts,
      since: written.status?.startTime ?? "",
    };
    // Others may have begun to move there since it was checked. From here on nothing comes between.
    const lacking = parts.placer.claimTarget(current, { provider, to });
    if (lacking.length > 0) {
      const why = lacking.map((each) => each.message).join(", and ");
      throw new ProviderError("NoSpace", `Cannot begin: host "${to}" is full by now, ${why}`);
    }
    const status = withMoving(current.status, moving, clock.now());
    await writeStatus(manager.client, { type: VirtualMachine, object: current, status }, { signal });
    const timeout = gracefulTimeoutOf(current);
    const timeoutMs = parseDuration(object.spec.options?.timeout ?? "4h");
    const message = `Cannot move VM "${vm.metadata.name}": not done within ${Math.round(timeoutMs / 1000)} s`;
    await tasks.stop(requestOf(object));
    tasks.start(
      requestOf(object),
      ({ signal: ended, report }) =>
        moveMachine({
          source,
          vm: identityOf(current),
          move: { to: goal, mode: mode === "Live" ? "live" : "offline", storage, tuning: tuningOf(object) },
          ...(isShutDown ? { shutdownMs: timeout.ok ? timeout.value : 60_000 } : {}),
          clock,
          signal: ended,
          report,
        }),
      { timeoutMs, timeoutError: new ProviderError("Conflict", message) },
    );
  });
  const message = `The machine is moved from host "${from}" to host "${to}"`;
  manager.recorder.record(object, { type: "Normal", reason: "ValidationComplete", message });
}

function tuningOf({ spec: { options } }: VMMigration): MoveTuning {
  const { maxDowntime, maxBandwidth, autoConverge, postCopy, compress } = options ?? {};
  return {
    ...(maxDowntime === undefined ? {} : { maxDowntimeMs: parseDuration(maxDowntime) }),
    ...(maxBandwidth === undefined ? {} : { maxBytesPerSecond: parseQuantity(maxBandwidth) }),
    ...(autoConverge === undefined ? {} : { autoConverge }),
    ...(postCopy === undefined ? {} : { postCopy }),
    ...(compress === undefined ? {} : { compress }),
  };
}
