// Event: no generation; found by the object it is about, as `kubectl describe` asks.

import { timeSince } from "../output/human-duration.ts";
import type { ApiObject } from "../stored-object.ts";
import { textOf } from "./text-of.ts";
import { coreStrategy, type Strategy } from "./strategy.ts";

const about = (object: ApiObject): Record<string, unknown> =>
  (object["involvedObject"] ?? {}) as Record<string, unknown>;

export const eventStrategy: Strategy = {
  ...coreStrategy,
  hidesName: true,
  isNeverOwner: true,
  selectableFields: [
    ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
      (field) => `involvedObject.${field}`,
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
  ],
  columns: [
    {
      name: "Last Seen",
      type: "string",
      description: "Time since the event happened last.",
      cell: (object, now) =>
        timeSince(
          [object["lastTimestamp"], object["eventTime"], object["firstTimestamp"]].find(
            (each) => typeof each === "string",
          ),
          now,
        ),
    },
    { name: "Type", type: "string", description: "Normal or Warning.", cell: (object) => textOf(object["type"]) },
    { name: "Reason", type: "string", description: "For programs.", cell: (object) => textOf(object["reason"]) },
    {
      name: "Object",
      type: "string",
      description: "What the event is about.",
      cell: (object) => `${textOf(about(object)["kind"]).toLowerCase()}/${textOf(about(object)["name"])}`,
    },
    {
      name: "Count",
      type: "integer",
      description: "How often it happened.",
      priority: 1,
      cell: (object) => Number(object["count"] ?? 1),
    },
    {
      name: "Message",
      type: "string",
      description: "For people.",
      cell: (object) => textOf(object["message"]).trim(),
    },
  ],
};
