// VMGroup: several machines that are started, stopped, snapshotted and deleted together, in the order of what depends on what.

import type { Static } from "typebox";
import { entryName, labelSelector, observed } from "./common-fields.ts";
import { boolean, choice, dateTime, duration, int32, list, listByKey, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { Resource } from "./meta.ts";

const mostMembers = 500;
const machineName = (description: string) => string(description, { minLength: 1, maxLength: 253 });

export const groupActions = ["Start", "Stop", "Snapshot", "Delete"] as const;
const action = (description: string) => choice(description, groupActions);

const spec = struct("Which machines belong together, and what is to be done with them now.", {
  members: optional(
    listByKey(
      "Machines of the group, in its namespace.",
      "name",
      struct("One machine.", {
        name: machineName("Name of the VirtualMachine."),
        dependsOn: optional(
          list(
            "Members that it needs: it is started when they are ready, and stopped before them.",
            machineName("Name of a member."),
          ),
        ),
        readyWhen: optional(
          choice(
            "When those that need it may start: once it is `Ready`, with an address and all that its gates ask for, or as soon as it is `Running`.",
            ["Ready", "Running"],
            { default: "Ready" },
          ),
        ),
        settle: optional(duration("How long it must have been ready for that.")),
        timeout: optional(duration("How long it may take; `spec.timeout` when absent.")),
      }),
      { maxItems: mostMembers },
    ),
  ),
  selector: optional(labelSelector("Labels of further machines, which depend on nothing.")),
  timeout: optional(
    duration("How long each machine may take until it counts as failed, from when its turn came.", { default: "10m" }),
  ),
  operation: optional(
    struct(
      "What is to be done. It is done once for each `id`; another `id` takes the place of one that is under way.",
      {
        id: entryName("Tells one wish from the next."),
        action: action(
          "`Start` in order, `Stop` and `Delete` in reverse order, `Snapshot` all at once. `Delete` deletes the machines with their disks, then the group.",
        ),
        force: optional(boolean("For `Stop`: pull the plug at once.")),
      },
    ),
  ),
});

const status = struct("What was seen of the machines, and how far the operation is.", {
  total: optional(int32("Machines that there are.")),
  running: optional(int32("Those that run.")),
  ready: optional(int32("Those that are Ready.")),
  members: optional(
    listByKey(
      "The machines.",
      "name",
      struct("One machine.", {
        name: string("Name."),
        phase: optional(string("Its phase; `Absent` where there is none of this name.")),
        ready: boolean("Whether it is Ready."),
        message: optional(string("What it says about itself where it is not Ready.")),
      }),
    ),
  ),
  operation: optional(
    struct("The operation of this `id`.", {
      id: string("Of which wish."),
      action: action("What is done."),
      phase: choice("`PartiallyFailed`: done for some machines, and not for others. Those that could be done were.", [
        "Running",
        "Succeeded",
        "PartiallyFailed",
        "Failed",
      ]),
      message: optional(string("In a sentence.")),
      startTime: dateTime("When it began."),
      completionTime: optional(dateTime("When it was over.")),
      members: listByKey(
        "Each machine that was in the group when it began.",
        "name",
        struct("One machine.", {
          name: string("Name."),
          uid: optional(string("Which machine of this name; another one is left alone.")),
          state: choice("`Skipped`: what had to be done before failed.", [
            "Waiting",
            "Working",
            "Done",
            "Failed",
            "Skipped",
          ]),
          since: optional(dateTime("When its turn came.")),
          message: optional(string("What is waited for, or why it failed.")),
        }),
      ),
    }),
  ),
  ...observed(
    "`Ready`: every machine is there and is Ready or shall be off; `OperationComplete`: how the last one went.",
  ),
});

export type VMGroupSpec = Static<typeof spec>;
export type VMGroupStatus = Static<typeof status>;
export type VMGroup = Resource<VMGroupSpec, VMGroupStatus>;

export const VMGroup: KindDefinition<VMGroup> = defineKind({
  ...vivarium,
  kind: "VMGroup",
  plural: "vmgroups",
  shortNames: ["vmg"],
  categories: ["all"],
  description: "Several machines that are started, stopped, snapshotted and deleted together, in order.",
  hasStatus: true,
  schema: struct("", { spec, status: optional(status) }),
  printerColumns: [
    { name: "VMs", type: "integer", jsonPath: ".status.total" },
    { name: "Running", type: "integer", jsonPath: ".status.running" },
    { name: "Ready", type: "integer", jsonPath: ".status.ready" },
    { name: "Operation", type: "string", jsonPath: ".status.operation.action" },
    { name: "Outcome", type: "string", jsonPath: ".status.operation.phase" },
    ageColumn,
    { name: "Message", type: "string", jsonPath: ".status.operation.message", priority: 1 },
  ],
});

/** On a VMSnapshot that a group took: the group's name. */
export const groupLabel = "vivarium.dev/group";
/** On a VMSnapshot that a group took: the `id` of the operation. */
export const groupOperationLabel = "vivarium.dev/group-operation";
