// The VMSnapshot that a schedule makes of a machine for a moment. Its name follows from these, so that a run that is repeated after a crash
// meets its own earlier try.

import { apiVersionOf, formatTime, scheduledAtAnnotation, snapshotScheduleLabel, VMSnapshot } from "@vivarium/api";
import type { VMSnapshotSchedule } from "@vivarium/api";

export function buildSnapshot(
  { metadata, spec }: VMSnapshotSchedule,
  { machine, atMs }: { readonly machine: string; readonly atMs: number },
): VMSnapshot {
  const { namespace, name } = metadata;
  const template = spec.snapshotTemplate ?? {};
  const time = formatTime(new Date(atMs));
  return {
    apiVersion: apiVersionOf(VMSnapshot),
    kind: VMSnapshot.kind,
    metadata: {
      name: [name, ...(spec.vmRef === undefined ? [machine] : []), stampOf(time)].join("-"),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata?.labels, [snapshotScheduleLabel]: name },
      annotations: { ...template.metadata?.annotations, [scheduledAtAnnotation]: time },
    },
    spec: { ...template.spec, vmRef: { name: machine } },
  };
}

/** `20261121-0300`: the time in UTC, which no change of the clock makes twice. */
function stampOf(time: string): string {
  const [, date = "", clock = ""] = /^([\d-]+)T(\d\d:\d\d)/.exec(time) ?? [];
  return `${date.replaceAll("-", "")}-${clock.replace(":", "")}`;
}
