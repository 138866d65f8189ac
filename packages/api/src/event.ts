// core/v1 Event: something that happened to an object; `kubectl describe` shows them.

import type { Static } from "typebox";
import { choice, dateTime, int32, optional, string, struct } from "./fields.ts";
import { core, defineKind } from "./kind.ts";
import type { KindDefinition } from "./kind.ts";
import type { KubeObject } from "./meta.ts";

export function reference(description: string) {
  return struct(description, {
    apiVersion: optional(string("API version of the object.")),
    kind: optional(string("Kind of the object.")),
    namespace: optional(string("Namespace of the object.")),
    name: optional(string("Name of the object.")),
    uid: optional(string("Uid of the object.")),
    resourceVersion: optional(string("The version of the object that it happened to.")),
    fieldPath: optional(string("The part of the object that it happened to.")),
  });
}

export function source(description: string) {
  return struct(description, {
    component: optional(string("Which part of the system.")),
    host: optional(string("On which host.")),
  });
}

const schema = struct("", {
  involvedObject: reference("What it happened to."),
  type: optional(choice("`Warning` for what somebody should look at.", ["Normal", "Warning"])),
  reason: optional(string("What happened, in CamelCase, for programs.")),
  message: optional(string("What happened, for people.")),
  count: optional(int32("How often.")),
  firstTimestamp: optional(dateTime("When it first happened.")),
  lastTimestamp: optional(dateTime("When it last happened.")),
  source: optional(source("Who saw it.")),
  eventTime: optional(dateTime("When it first happened, with microseconds.")),
  series: optional(
    struct("How it went on.", {
      count: optional(int32("How often.")),
      lastObservedTime: optional(dateTime("When it last happened.")),
    }),
  ),
  action: optional(string("What was being done.")),
  related: optional(reference("What else it concerns.")),
  reportingComponent: optional(string("Who saw it, as a qualified name.")),
  reportingInstance: optional(string("Which instance of it.")),
});

export type Event = KubeObject & Static<typeof schema>;

export const Event: KindDefinition<Event> = defineKind({
  ...core,
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  description: "Something that happened to an object.",
  hasStatus: false,
  schema,
  printerColumns: [
    { name: "Last Seen", type: "date", jsonPath: ".lastTimestamp" },
    { name: "Type", type: "string", jsonPath: ".type" },
    { name: "Reason", type: "string", jsonPath: ".reason" },
    { name: "Kind", type: "string", jsonPath: ".involvedObject.kind" },
    { name: "Object", type: "string", jsonPath: ".involvedObject.name" },
    { name: "Message", type: "string", jsonPath: ".message" },
    { name: "Count", type: "integer", jsonPath: ".count", priority: 1 },
    { name: "First Seen", type: "date", jsonPath: ".firstTimestamp", priority: 1 },
    { name: "Source", type: "string", jsonPath: ".source.component", priority: 1 },
  ],
});
