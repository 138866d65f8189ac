// Both selectors of a list or a watch, read together.

import type { RequestContext } from "../request-context.ts";
import type { Resource } from "../resource.ts";
import type { ApiObject } from "../stored-object.ts";
import { parseFieldSelector } from "./field-selector.ts";
import { parseLabelSelector } from "./label-selector.ts";

export interface ObjectFilter {
  matches(object: ApiObject): boolean;
  readonly name?: string;
}

/** Undefined when every object matches: then nothing needs to be parsed. */
export function parseFilter(context: RequestContext, resource: Resource): ObjectFilter | undefined {
  const { query } = context.request;
  const labels = parseLabelSelector(query.get("labelSelector"));
  const fields = parseFieldSelector(query.get("fieldSelector"), resource);
  if (labels === undefined && fields === undefined) return undefined;
  return {
    matches: (object) =>
      (labels === undefined || labels(object.metadata.labels ?? {})) &&
      (fields === undefined || fields.matches(object)),
    ...(fields?.name !== undefined && { name: fields.name }),
  };
}
