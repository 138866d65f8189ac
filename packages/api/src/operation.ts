// Operation: the record of one piece of long work on an object. Written by the server, by nobody else.

import type { Static } from "typebox";
import { boolean, choice, dateTime, duration, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind, vivarium } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  object: struct("What was worked on; in the same namespace.", {
    kind: string("Its kind."),
    name: string("Its name."),
    uid: string("Its uid."),
  }),
  verb: string("What was done: `Create`, `Start`, `Stop`, `Delete`, `Prepare`, `Build`, …"),
  phase: choice("How it went. `Superseded`: something else was wished for, or the object went, before it was done.", [
    "Running",
    "Succeeded",
    "Failed",
    "Superseded",
  ]),
  startTime: dateTime("When it began."),
  completionTime: optional(dateTime("When it was over.")),
  duration: optional(duration("How long it took.")),
  usual: optional(
    duration("How long such work usually took when it began: the median of the last ones that succeeded."),
  ),
  overdue: optional(boolean("Whether it took much longer than that.")),
  message: optional(string("What was said of it last.")),
});

export interface Operation extends KubeObject, Static<typeof schema> {}

export const Operation: KindDefinition<Operation> = defineKind({
  ...vivarium,
  kind: "Operation",
  plural: "operations",
  shortNames: ["op"],
  description:
    "The record of one piece of work that took a second or more: start, end, duration and outcome. The newest are kept.",
  hasStatus: false,
  schema,
  printerColumns: [
    { name: "Kind", type: "string", jsonPath: ".object.kind" },
    { name: "Object", type: "string", jsonPath: ".object.name" },
    { name: "Verb", type: "string", jsonPath: ".verb" },
    { name: "Phase", type: "string", jsonPath: ".phase" },
    { name: "Duration", type: "string", jsonPath: ".duration" },
    ageColumn,
    { name: "Usual", type: "string", jsonPath: ".usual", priority: 1 },
    { name: "Message", type: "string", jsonPath: ".message", priority: 1 },
  ],
});
