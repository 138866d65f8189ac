// events.k8s.io/v1 Event: the same events as core/v1 ones under newer names. The server keeps each once and shows it as both.

import type { Static } from "typebox";
import { reference, source } from "./event.ts";
import { choice, dateTime, int32, optional, string, struct } from "./fields.ts";
import { ageColumn, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

const schema = struct("", {
  eventTime: optional(dateTime("When it first happened, with microseconds.")),
  series: optional(
    struct("How it went on.", {
      count: int32("How often."),
      lastObservedTime: dateTime("When it last happened."),
    }),
  ),
  reportingController: optional(string("Who saw it, as a qualified name.")),
  reportingInstance: optional(string("Which instance of it.")),
  action: optional(string("What was being done.")),
  reason: optional(string("What happened, in CamelCase, for programs.")),
  regarding: optional(reference("What it happened to.")),
  related: optional(reference("What else it concerns.")),
  note: optional(string("What happened, for people.")),
  type: optional(choice("`Warning` for what somebody should look at.", ["Normal", "Warning"])),
  deprecatedSource: optional(source("Who saw it: `source` of a core Event.")),
  deprecatedFirstTimestamp: optional(dateTime("`firstTimestamp` of a core Event.")),
  deprecatedLastTimestamp: optional(dateTime("`lastTimestamp` of a core Event.")),
  deprecatedCount: optional(int32("`count` of a core Event.")),
});

export type EventsEvent = KubeObject & Static<typeof schema>;

export const EventsEvent: KindDefinition<EventsEvent> = defineKind({
  group: "events.k8s.io",
  version: "v1",
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  description: "Something that happened to an object; another view of the core Event.",
  hasStatus: false,
  schema,
  printerColumns: [ageColumn],
});
