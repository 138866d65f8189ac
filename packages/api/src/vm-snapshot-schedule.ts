// VMSnapshotSchedule: snapshots by the clock, of one machine or of all that have certain labels. Its fields are those of a CronJob.

import type { Static } from "typebox";
import { labelSelector, localRef, observed } from "./common-fields.ts";
import {
  boolean,
  choice,
  dateTime,
  int32,
  int64,
  list,
  opaque,
  optional,
  string,
  stringMap,
  struct,
} from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";
import { snapshotFields } from "./vm-snapshot.ts";

const spec = struct("When, and of what. Exactly one of `vmRef` and `selector` says of which machines.", {
  schedule: string(
    "When: five fields as cron has them (minute, hour, day, month, weekday), `@hourly`, `@daily` and their kin, or `@every 6h`, counted from the making of this object.",
    { minLength: 1, maxLength: 100 },
  ),
  timeZone: optional(
    string(
      "Time zone of the fields, such as Europe/Berlin. A time that a change of the clock leaves out comes right after it.",
      {
        default: "UTC",
      },
    ),
  ),
  vmRef: optional(localRef("The one VirtualMachine.")),
  selector: optional(
    labelSelector("Labels of the VirtualMachines, looked for at each run. Empty: all of the namespace."),
  ),
  startingDeadlineSeconds: optional(
    int64(
      "A run that is later than this, because nobody was there to begin it, is left out. When absent the last one is made up for.",
      {
        minimum: 0,
      },
    ),
  ),
  concurrencyPolicy: optional(
    choice(
      "What happens to a machine of which a snapshot of this schedule is still being taken: one more (`Allow`), none this time (`Forbid`), or one instead of it (`Replace`).",
      ["Allow", "Forbid", "Replace"],
      { default: "Forbid" },
    ),
  ),
  suspend: optional(boolean("Whether it pauses. What is due meanwhile counts as not begun.", { default: false })),
  successfulJobsHistoryLimit: optional(
    int32(
      "How many snapshots of each machine are kept, without those that are pinned. 3 when absent, unless `snapshotTemplate.spec.retentionPolicy` has `maxAge` or `maxCount`.",
      { minimum: 0, maximum: 100 },
    ),
  ),
  failedJobsHistoryLimit: optional(
    int32("How many of each machine that failed are kept.", { minimum: 0, maximum: 100, default: 1 }),
  ),
  snapshotTemplate: optional(
    struct("What each snapshot is like.", {
      metadata: optional(
        struct("What its object carries.", {
          labels: optional(stringMap("Labels.")),
          annotations: optional(stringMap("Annotations.")),
          creationTimestamp: optional(opaque("Ignored.")),
        }),
      ),
      spec: optional(struct("As of a VMSnapshot.", snapshotFields)),
    }),
  ),
});

const status = struct("What was done, and when it goes on.", {
  lastScheduleTime: optional(dateTime("The moment that the last run was for.")),
  lastSuccessfulTime: optional(dateTime("When a snapshot was last taken.")),
  lastMissedTime: optional(dateTime("The moment of the last run that was left out, being too late.")),
  nextScheduleTime: optional(dateTime("When the next run is due; absent while it pauses.")),
  machines: optional(int32("Machines that it is for.")),
  active: optional(
    list("Snapshots that are being taken.", struct("One of them.", { name: string("Name of the VMSnapshot.") })),
  ),
  ...observed("`Ready`: whether snapshots are taken by it."),
});

export type VMSnapshotScheduleSpec = Static<typeof spec>;
export type VMSnapshotScheduleStatus = Static<typeof status>;
export type VMSnapshotSchedule = Resource<VMSnapshotScheduleSpec, VMSnapshotScheduleStatus>;

export const VMSnapshotSchedule: KindDefinition<VMSnapshotSchedule> = defineKind({
  ...vivarium,
  kind: "VMSnapshotSchedule",
  plural: "vmsnapshotschedules",
  shortNames: ["snapsched"],
  description:
    "Snapshots by the clock, of one machine or of all that have certain labels. They stay when this object is deleted.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "Schedule", type: "string", jsonPath: ".spec.schedule" },
    { name: "Timezone", type: "string", jsonPath: ".spec.timeZone" },
    { name: "Suspend", type: "boolean", jsonPath: ".spec.suspend" },
    { name: "Machines", type: "integer", jsonPath: ".status.machines" },
    { name: "Last", type: "date", jsonPath: ".status.lastScheduleTime" },
    { name: "Next", type: "string", jsonPath: ".status.nextScheduleTime" },
    ageColumn,
    {
      name: "Message",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="Ready")].message',
      priority: 1,
    },
  ],
});
