// Event: no generation; found by the object it is about, as `kubectl describe` asks.

import { timeSince } from "../output/human-duration.ts";
import { invalidValue, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { textOf } from "./text-of.ts";
import { coreStrategy, type ComputedColumn, type Strategy } from "./strategy.ts";

const about = (object: ApiObject): Record<string, unknown> =>
  (object["involvedObject"] ?? {}) as Record<string, unknown>;

const coreColumns: readonly ComputedColumn[] = [
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
];

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
  columns: eventColumns((object) => object),
  validate: (object) => checkAbout(object, "involvedObject"),
};

/** An event is in the namespace of what it is about; about cluster-scoped objects in `default`. */
export function checkAbout(object: ApiObject, field: "involvedObject" | "regarding"): FieldError[] {
  const { namespace: about } = (object[field] ?? {}) as Readonly<Record<string, unknown>>;
  const { namespace } = object.metadata;
  const fits = about === undefined || about === "" ? namespace === "default" : about === namespace;
  return fits ? [] : [invalidValue(`${field}.namespace`, about ?? "", "does not match event.namespace")];
}

/** `toCore`: how the object looks as a core Event. */
export function eventColumns(toCore: (object: ApiObject) => ApiObject): readonly ComputedColumn[] {
  return coreColumns.map((column) => ({ ...column, cell: (object, now) => column.cell(toCore(object), now) }));
}
