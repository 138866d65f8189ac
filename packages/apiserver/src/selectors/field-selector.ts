// Field selectors: `metadata.name=x,involvedObject.kind!=y`. A backslash quotes a comma, an equals sign or a backslash.

import { badRequest } from "../errors.ts";
import { JsonPath } from "../output/json-path.ts";
import type { Resource } from "../resource.ts";
import type { ApiObject } from "../stored-object.ts";

export interface FieldSelector {
  matches(object: ApiObject): boolean;
  /** The one name that can match, when there is one. */
  readonly name?: string;
}

/** Undefined when every object matches. */
export function parseFieldSelector(text: string | null, resource: Resource): FieldSelector | undefined {
  if (text === null || text.trim() === "") return undefined;
  const terms = text
    .split(/(?<!\\),/)
    .filter((term) => term !== "")
    .map((term) => parseTerm(term, resource));
  const name = terms.find((term) => term.field === "metadata.name" && !term.isNegated)?.value;
  return {
    matches: (object) => terms.every((term) => (fieldOf(object, term.path) === term.value) !== term.isNegated),
    ...(name !== undefined && { name }),
  };
}

function parseTerm(term: string, resource: Resource) {
  const match = /^([^=!]+?)\s*(!=|==|=)((?:[^\\=]|\\.)*)$/.exec(term.trim());
  if (match === null)
    throw badRequest(
      `invalid selector: ${JSON.stringify(term)}; can't understand ${JSON.stringify(term)}, expected field=value or field!=value`,
    );
  const [, field = "", operator = "", raw = ""] = match;
  const isKnown =
    field === "metadata.name" ||
    (field === "metadata.namespace" && resource.namespaced) ||
    resource.selectableFields.includes(field);
  if (!isKnown) throw badRequest(`field label not supported: ${field}`);
  return {
    field,
    path: new JsonPath(`.${field}`),
    isNegated: operator === "!=",
    value: raw.replaceAll(/\\([\\,=])/g, "$1"),
  };
}

/** A missing field is the empty string, as it is for Kubernetes. */
function fieldOf(object: ApiObject, path: JsonPath): string {
  const [value] = path.select(object);
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
