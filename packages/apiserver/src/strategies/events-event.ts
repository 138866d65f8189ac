// events.k8s.io Event: a view of the core Events, with its own names for their fields
// (https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/).

import { invalidValue, required, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { checkAbout, eventColumns, eventStrategy } from "./event.ts";
import type { Strategy } from "./strategy.ts";

/** Ours, and the core Event's. */
const names: Readonly<Record<string, string>> = {
  regarding: "involvedObject",
  note: "message",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
};

const coreNames: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(names).map(([ours, core]) => [core, ours]),
);

const requiredAtCreate = ["reportingController", "reportingInstance", "action", "reason"] as const;
/** They would tell two stories of one event. */
const onlyOldWriters = ["deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"];
const maxNoteLength = 1024;

export const eventsEventStrategy: Strategy = {
  ...eventStrategy,
  view: {
    group: "",
    version: "v1",
    toStored: (object) => renamed(object, names),
    fromStored: (object) => renamed(object, coreNames),
  },
  selectableFields: [
    ...["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"].map(
      (field) => `regarding.${field}`,
    ),
    "reason",
    "reportingController",
    "type",
  ],
  columns: eventColumns((object) => renamed(object, names)),
  validate: (object, old) => [
    ...checkAbout(object, "regarding"),
    ...(old === undefined ? checkNew(object) : checkSame(object, old)),
  ],
};

function checkNew(object: ApiObject): FieldError[] {
  return [
    ...(object["eventTime"] === undefined ? [required("eventTime")] : []),
    ...requiredAtCreate.filter((field) => (object[field] ?? "") === "").map((field) => required(field)),
    ...(object["type"] === undefined ? [required("type")] : []),
    ...onlyOldWriters
      .filter((field) => object[field] !== undefined)
      .map((field) => invalidValue(field, object[field], "needs to be unset")),
    ...(typeof object["note"] === "string" && object["note"].length > maxNoteLength
      ? [invalidValue("note", "", "can have at most 1024 characters")]
      : []),
  ];
}

/** Through this view only the series of an event goes on. */
function checkSame(object: ApiObject, old: ApiObject): FieldError[] {
  return [
    "eventTime",
    "reportingController",
    "reportingInstance",
    "action",
    "reason",
    "regarding",
    "related",
    "note",
    "type",
  ]
    .filter((field) => JSON.stringify(object[field]) !== JSON.stringify(old[field]))
    .map((field) => invalidValue(field, object[field], "field is immutable"));
}

function renamed(object: ApiObject, map: Readonly<Record<string, string>>): ApiObject {
  const { apiVersion, kind, metadata, ...fields } = object;
  const entries = Object.entries(fields).map(([name, value]) => [map[name] ?? name, value] as const);
  return { apiVersion, kind, metadata, ...Object.fromEntries(entries) };
}
