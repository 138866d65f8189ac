// `viv snapshot schedule`: a VMSnapshotSchedule for one VM, and when it begins. A wish that the server cannot read is told, and taken back.

import { apiVersionOf, findCondition, VirtualMachine, VMSnapshotSchedule } from "@vivarium/api";
import { CliUserError } from "../cli-error.ts";
import type { GlobalOptions } from "../global-options.ts";
import { print } from "../output/print.ts";
import { connect } from "../session/connect.ts";
import { interruptSignal } from "../session/interrupt.ts";
import { waitForObject } from "../session/wait.ts";

interface ScheduleOptions extends GlobalOptions {
  readonly cron: string;
  readonly timeZone?: string;
  readonly keep?: number;
}

const readTimeoutMs = 15_000;

export async function scheduleSnapshots(vm: string, name: string | undefined, options: ScheduleOptions): Promise<void> {
  await using session = await connect(options);
  using signal = interruptSignal();
  const { namespace } = session;
  const key = { namespace, name: name ?? vm };
  await session.client.get(VirtualMachine, { namespace, name: vm }, { signal });
  await session.client.create(
    VMSnapshotSchedule,
    {
      apiVersion: apiVersionOf(VMSnapshotSchedule),
      kind: VMSnapshotSchedule.kind,
      metadata: key,
      spec: {
        schedule: options.cron,
        vmRef: { name: vm },
        ...(options.timeZone === undefined ? {} : { timeZone: options.timeZone }),
        ...(options.keep === undefined ? {} : { successfulJobsHistoryLimit: options.keep }),
      },
    },
    { signal },
  );
  const label = `vmsnapshotschedule/${key.name}`;
  const result = await waitForObject(
    session.client,
    { type: VMSnapshotSchedule, key },
    { until: (object) => readyOf(object) !== undefined, timeoutMs: readTimeoutMs, signal },
  );
  const ready = result.kind === "done" ? readyOf(result.object) : undefined;
  if (ready?.reason === "InvalidSpec") {
    await session.client.delete(VMSnapshotSchedule, key, { signal });
    throw new CliUserError(`No snapshots are scheduled: ${ready.message}.`, {
      fix: ['viv snapshot schedule web-1 --cron "30 2 * * *" --time-zone Europe/Berlin'],
      exit: "usage",
    });
  }
  print(`${label}: ${ready?.message ?? "stored; the server has not looked at it yet"}`);
}

function readyOf(object: VMSnapshotSchedule | undefined) {
  return findCondition(object?.status?.conditions, "Ready");
}
