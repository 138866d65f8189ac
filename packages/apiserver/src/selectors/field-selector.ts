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
    .split(/(?<!(?<!\\)(?:\\\\)*\\),/)
    .filter((term) => term !== "")
    .map((term) => parseTerm(term, { selector: text, resource }));
  const name = terms.find((term) => term.field === "metadata.name" && !term.isNegated)?.value;
  return {
    matches: (object) => terms.every((term) => (fieldOf(object, term.path) === term.value) !== term.isNegated),
    ...(name !== undefined && { name }),
  };
}

function parseTerm(term: string, { selector, resource }: { readonly selector: string; readonly resource: Resource }) {
  const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
  if (match === null) throw badRequest(`invalid selector: '${selector}'; can't understand '${term}'`);
  const [, field = "", operator = "", raw = ""] = match;
  const value = unescaped(raw);
  const isKnown =
    field === "metadata.name" ||
    (field === "metadata.namespace" && resource.namespaced) ||
    resource.selectableFields.includes(field);
  if (!isKnown) throw badRequest(notSupported(field, resource));
  return { field, path: new JsonPath(`.${field}`), isNegated: operator === "!=", value };
}

/** Kinds without fields of their own answer in other words. */
function notSupported(field: string, { strategy, selectableFields }: Resource): string {
  return strategy.takesStrategicMerge && selectableFields.length === 0
    ? `${JSON.stringify(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
    : `field label not supported: ${field}`;
}

function unescaped(raw: string): string {
  const wrong = /\\(?![\\,=]).?/s.exec(raw.replaceAll(/\\[\\,=]/g, ""));
  if (wrong !== null) throw badRequest(`invalid field selector: invalid escape sequence: ${wrong[0]}`);
  if (raw.replaceAll(/\\[\\,=]/g, "").includes("="))
    throw badRequest("invalid field selector: unescaped character in value: 61");
  return raw.replaceAll(/\\([\\,=])/g, "$1");
}

/** A missing field is the empty string, as it is for Kubernetes. */
function fieldOf(object: ApiObject, path: JsonPath): string {
  const [value] = path.select(object);
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
