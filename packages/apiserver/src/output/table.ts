// Objects as meta.k8s.io/v1 Table rows, which `kubectl get` prints.

import type { CustomResourceColumn } from "../custom-resource-definition.ts";
import type { Resource } from "../resource.ts";
import type { ApiObject } from "../stored-object.ts";
import { timeSince } from "./human-duration.ts";
import { JsonPath } from "./json-path.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

interface Column {
  readonly definition: { name: string; type: string; format: string; description: string; priority: number };
  cell(object: ApiObject, now: Date): unknown;
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly object?: unknown;
}

export interface TableOptions {
  readonly includeObject: IncludeObject;
  readonly now: Date;
  readonly metadata: object;
  /** False for all but the first event of a watch. */
  readonly withHeaders?: boolean;
}

const columnsOf = new WeakMap<Resource, readonly Column[]>();

export function toTable(resource: Resource, objects: readonly ApiObject[], options: TableOptions): object {
  const columns = cachedColumns(resource);
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: options.metadata,
    columnDefinitions: options.withHeaders === false ? null : columns.map((column) => column.definition),
    rows: objects.map((object) => toRow(columns, object, options)),
  };
}

function toRow(columns: readonly Column[], object: ApiObject, options: TableOptions): TableRow {
  const cells = columns.map((column) => column.cell(object, options.now));
  switch (options.includeObject) {
    case "None":
      return { cells };
    case "Metadata":
      return { cells, object: toPartial(object) };
    case "Object":
      return { cells, object };
  }
}

export function toPartial(object: ApiObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}

function cachedColumns(resource: Resource): readonly Column[] {
  const cached = columnsOf.get(resource);
  if (cached !== undefined) return cached;
  const name: Column = {
    definition: {
      name: "Name",
      type: "string",
      format: "name",
      description: "Name must be unique within a namespace.",
      priority: 0,
    },
    cell: (object) => object.metadata.name,
  };
  const computed = resource.strategy.columns?.map((column) => ({
    definition: {
      name: column.name,
      type: column.type,
      format: "",
      description: column.description,
      priority: column.priority ?? 0,
    },
    cell: (object: ApiObject, now: Date) => column.cell(object, now),
  }));
  const hasOwnName = resource.strategy.hidesName === true;
  const columns = [...(hasOwnName ? [] : [name]), ...(computed ?? resource.columns.map(toColumn))];
  columnsOf.set(resource, columns);
  return columns;
}

function toColumn(column: CustomResourceColumn): Column {
  const { name, type, format = "", description = "", priority = 0 } = column;
  const path = new JsonPath(column.jsonPath);
  return {
    definition: { name, type, format, description, priority },
    cell: (object, now) => toCell(path.select(object), type, now),
  };
}

/** As k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor does it. */
function toCell(values: readonly unknown[], type: string, now: Date): unknown {
  const [first] = values;
  if (first === undefined || first === null) return type === "date" ? "<unknown>" : null;
  switch (type) {
    case "integer":
      return typeof first === "number" ? Math.trunc(first) : null;
    case "number":
      return typeof first === "number" ? first : null;
    case "boolean":
      return typeof first === "boolean" ? first : null;
    case "date":
      return timeSince(first, now);
    default:
      return values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join(",");
  }
}
