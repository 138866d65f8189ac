// Tells users how a VM is: its status, written only where it differs, and the events of its story.

import { VirtualMachine } from "@vivarium/api";
import { writeStatus } from "@vivarium/runtime";
import { requestOf } from "../request-of.ts";
import type { VmContext } from "./context.ts";
import type { Look } from "./look.ts";
import type { DeviceMemory } from "./memory.ts";
import type { PlanInput } from "./plan/input.ts";
import type { Situation, Step } from "./plan/step.ts";
import { pendingFields, pendingText } from "./plan/pending-fields.ts";
import { eventsOfStatus } from "./status/events.ts";
import type { VmEvent } from "./status/events.ts";
import type { HotReport } from "./status/hot-status.ts";
import { snapshotsOfStatus } from "./status/snapshot-status.ts";
import { statusOf } from "./status/status.ts";

export function tell({ recorder }: VmContext, vm: VirtualMachine, event: VmEvent | undefined): void {
  if (event !== undefined) recorder.record(vm, event);
}

/** Writes what must be known to a successor before the step begins. */
export async function flush(
  context: VmContext,
  look: Look,
  { step, input }: { readonly step: Step["kind"]; readonly input: PlanInput },
): Promise<void> {
  const requestedAtMs = look.record.shutdownRequestedAtMs;
  const situation: Situation =
    step === "RequestShutdown" && requestedAtMs !== undefined
      ? {
          kind: "ShuttingDown",
          deadlineMs: requestedAtMs + input.gracefulTimeoutMs,
          isForced: look.record.powerCycle?.state !== "asked" || input.powerCyclePolicy === "Force",
        }
      : { kind: "Working", step };
  await writeReport(context, look, { situation, input });
  look.mustWrite = false;
}

export async function writeReport(
  context: VmContext,
  look: Look,
  {
    situation,
    input,
    retryAtMs,
  }: { readonly situation: Situation; readonly input: PlanInput; readonly retryAtMs?: number | undefined },
): Promise<void> {
  const { vm, record, memory } = look;
  const { definition } = input;
  const nowMs = context.clock.now();
  const status = statusOf({
    vm,
    record,
    situation,
    seen: input.seen,
    addresses: memory.addresses,
    nowMs,
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    failures: memory.failure?.count ?? 0,
    pendingFields: pendingFieldsOf(look, input),
    placement: vm.spec.placementRef === undefined ? undefined : context.placer.findings.get(requestOf(vm)),
    powerCyclePolicy: input.powerCyclePolicy,
    snapshots: snapshotsOfStatus(vm, context.objects.snapshots.list({ namespace: vm.metadata.namespace ?? "" })),
    size: {
      definition,
      memoryAskedAtMs: memory.memoryAskedAtMs,
      failures: [...memory.size.failures.values()],
      nowMs,
    },
    disks: { definition, record, sizes: input.diskSizes, ...hotReportOf(memory.disks, nowMs) },
    nics: {
      definition,
      record,
      addresses: memory.addresses,
      failuresByKey: memory.nics.failures,
      ...hotReportOf(memory.nics, nowMs),
    },
  });
  look.vm = await writeStatus(context.client, { type: VirtualMachine, object: vm, status }, { signal: look.signal });
  for (const event of eventsOfStatus(vm, status)) tell(context, vm, event);
}

function hotReportOf({ detachAskedAtMs, failures }: DeviceMemory, nowMs: number): HotReport {
  return { detachAskedAtMs, failures: [...failures.values()], nowMs };
}

/** Undefined when that cannot be told now. */
function pendingFieldsOf({ record, resolved }: Look, input: PlanInput): readonly string[] | undefined {
  const { seen } = input;
  if (seen.kind !== "present" || record.applied === undefined) return [];
  if (resolved?.ok !== true) return undefined;
  const { definition, diskSizes: sizes } = resolved.value;
  const canGrowOnline = input.hotDisks !== undefined;
  return pendingFields({ record, definition, sizes, canGrowOnline }, seen).map(pendingText);
}
