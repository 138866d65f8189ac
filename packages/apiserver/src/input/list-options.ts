// The query parameters of lists and watches, and which of them go together
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions;
// k8s.io/apimachinery/pkg/apis/meta/internalversion/validation).

import { badRequest, invalidListOptions } from "../errors.ts";
import { forbiddenField, notSupported, type FieldError } from "../schema/field-error.ts";

/** Which state a list shows. */
export type WantedState =
  /** The newest one, at least as new as the revision. */
  { readonly kind: "newest"; readonly atLeast: number } | { readonly kind: "exact"; readonly revision: number };

export interface ListQuery {
  readonly state: WantedState;
  readonly limit: number | undefined;
  readonly continue: string | undefined;
}

export interface WatchQuery {
  /** Absent and 0 begin with what is there now, unless `sendInitialEvents` says otherwise. */
  readonly revision: number | undefined;
  readonly sendInitialEvents: boolean | undefined;
  readonly wantsBookmarks: boolean;
  readonly timeoutMs: number | undefined;
}

const matches = ["Exact", "NotOlderThan"] as const;

export function parseListQuery(query: URLSearchParams): ListQuery {
  const match = query.get("resourceVersionMatch") ?? "";
  const version = query.get("resourceVersion") ?? "";
  const next = query.get("continue") ?? "";
  const field = "resourceVersionMatch";
  const errors: FieldError[] = [];
  if (match !== "") {
    if (version === "") errors.push(forbiddenField(field, `${field} is forbidden unless resourceVersion is provided`));
    if (next !== "") errors.push(forbiddenField(field, `${field} is forbidden when continue is provided`));
    if (!matches.some((each) => each === match)) errors.push(notSupported(field, match, [...matches, ""]));
    if (match === "Exact" && version === "0")
      errors.push(forbiddenField(field, `${field} "exact" is forbidden for resourceVersion "0"`));
  }
  if (query.get("sendInitialEvents"))
    errors.push(forbiddenField("sendInitialEvents", "sendInitialEvents is forbidden for list"));
  if (errors.length > 0) throw invalidListOptions(errors);
  const revision = parseRevision(version) ?? 0;
  if (next !== "" && revision !== 0) throw badRequest("specifying resource version is not allowed when using continue");
  const limit = parseCount(query, "limit");
  const isExact = match === "Exact" || (match === "" && limit !== undefined && revision !== 0);
  return {
    state: isExact ? { kind: "exact", revision } : { kind: "newest", atLeast: revision },
    limit,
    continue: next === "" ? undefined : next,
  };
}

export function parseWatchQuery(query: URLSearchParams): WatchQuery {
  const match = query.get("resourceVersionMatch") ?? "";
  const sendInitialEvents = parseBoolean(query, "sendInitialEvents");
  const field = "resourceVersionMatch";
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== "NotOlderThan")
    errors.push(forbiddenField(field, `sendInitialEvents requires setting ${field} to NotOlderThan`));
  if (match !== "") {
    if (sendInitialEvents === undefined)
      errors.push(forbiddenField(field, `${field} is forbidden for watch unless sendInitialEvents is provided`));
    if (match !== "NotOlderThan") errors.push(notSupported(field, match, ["NotOlderThan"]));
    if (query.get("continue")) errors.push(forbiddenField(field, `${field} is forbidden when continue is provided`));
  }
  if (errors.length > 0) throw invalidListOptions(errors);
  const timeoutSeconds = parseCount(query, "timeoutSeconds");
  return {
    revision: parseRevision(query.get("resourceVersion")),
    sendInitialEvents,
    wantsBookmarks: parseBoolean(query, "allowWatchBookmarks") === true,
    timeoutMs: timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000,
  };
}

/** A resourceVersion: opaque to clients, a store revision to us. Undefined when there is none. */
export function parseRevision(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`Invalid resourceVersion: found ${JSON.stringify(text)}, expected one from an earlier answer`);
  return Number(text);
}

/** Undefined when it is absent or 0. */
function parseCount(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? "";
  if (!/^\d{0,9}$/.test(text)) throw badRequest(`${name}: found ${JSON.stringify(text)}, expected a number`);
  return Number(text) === 0 ? undefined : Number(text);
}

function parseBoolean(query: URLSearchParams, name: string): boolean | undefined {
  const text = query.get(name) ?? "";
  switch (text) {
    case "":
      return undefined;
    case "true":
    case "1":
      return true;
    case "false":
    case "0":
      return false;
    default:
      throw badRequest(`${name}: found ${JSON.stringify(text)}, expected true or false`);
  }
}
