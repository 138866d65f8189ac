// Strategic merge patch for core kinds: like a merge patch, but some lists merge by key or as sets, and directives say what else to do
// (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md).

import { isDeepStrictEqual } from "node:util";
import { badRequest } from "../errors.ts";

/** How a list merges, by the name of its field: by the key of its items, or as a set of primitives. All other lists are replaced. */
const listRules: Readonly<Record<string, { readonly key: string } | "set">> = {
  finalizers: "set",
  ownerReferences: { key: "uid" },
  conditions: { key: "type" },
  /** Of a ServiceAccount. */
  secrets: { key: "name" },
};

type Fields = Record<string, unknown>;

const deletionPrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

export function strategicMergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) throw badRequest("the strategic merge patch is not an object");
  return mergeFields(isFields(target) ? target : {}, patch);
}

function mergeFields(target: Fields, patch: Fields): Fields | undefined {
  const { $patch: directive, $retainKeys: retained, ...changes } = patch;
  switch (directive) {
    case undefined:
    case "merge":
      break;
    case "replace":
      return changes;
    case "delete":
      return undefined;
    default:
      throw badRequest(
        `unrecognized $patch directive: found ${JSON.stringify(directive)}, expected merge, replace or delete`,
      );
  }
  const result: Fields = { ...target };
  if (retained !== undefined) {
    const names = arrayOf(retained, "$retainKeys");
    for (const name of Object.keys(result)) if (!names.includes(name)) delete result[name];
  }
  for (const [name, value] of Object.entries(changes)) {
    if (name.startsWith("$")) continue;
    const merged = value === null ? undefined : mergeValue(name, result[name], value);
    if (merged === undefined) delete result[name];
    else result[name] = merged;
  }
  return applyListDirectives(result, changes);
}

function mergeValue(name: string, target: unknown, patch: unknown): unknown {
  if (isFields(patch)) return mergeFields(isFields(target) ? target : {}, patch);
  if (!Array.isArray(patch)) return patch;
  const rule = listRules[name];
  const old: readonly unknown[] = Array.isArray(target) ? target : [];
  if (rule === undefined) return withoutDirectives(patch);
  if (rule === "set") return [...new Set([...old, ...patch])];
  return mergeByKey(old, patch, rule.key);
}

function mergeByKey(target: readonly unknown[], patch: readonly unknown[], key: string): unknown[] {
  const isReplaced = patch.some((item) => isFields(item) && item["$patch"] === "replace" && item[key] === undefined);
  const result: Fields[] = isReplaced ? [] : target.filter(isFields);
  for (const item of patch) {
    if (!isFields(item)) throw badRequest(`an item of a list merged by ${key} is not an object`);
    if (item[key] === undefined) {
      if (item["$patch"] === "replace") continue;
      throw badRequest(`map: ${JSON.stringify(item).slice(0, 200)} does not contain declared merge key: ${key}`);
    }
    const at = result.findIndex((each) => isDeepStrictEqual(each[key], item[key]));
    const merged = mergeFields(result[at] ?? {}, item);
    if (at < 0) {
      if (merged !== undefined) result.push(merged);
    } else result.splice(at, 1, ...(merged === undefined ? [] : [merged]));
  }
  return result;
}

function applyListDirectives(result: Fields, changes: Fields): Fields {
  for (const [directive, value] of Object.entries(changes)) {
    if (directive.startsWith(deletionPrefix)) {
      const name = directive.slice(deletionPrefix.length);
      const removed = arrayOf(value, directive);
      if (Array.isArray(result[name])) result[name] = result[name].filter((item) => !removed.includes(item));
    } else if (directive.startsWith(orderPrefix)) {
      const name = directive.slice(orderPrefix.length);
      const order = arrayOf(value, directive);
      if (Array.isArray(result[name])) result[name] = inOrder(result[name], order, listRules[name]);
    }
  }
  return result;
}

/** Items that the order names come as it says, the others after them as they were. */
function inOrder(
  items: readonly unknown[],
  order: readonly unknown[],
  rule: { readonly key: string } | "set" | undefined,
): unknown[] {
  const identity = (item: unknown): unknown => (typeof rule === "object" && isFields(item) ? item[rule.key] : item);
  const wanted = order.map(identity);
  const rank = (item: unknown): number => {
    const at = wanted.indexOf(identity(item));
    return at < 0 ? wanted.length : at;
  };
  return items.toSorted((a, b) => rank(a) - rank(b));
}

function withoutDirectives(items: readonly unknown[]): unknown[] {
  return items.filter((item) => !(isFields(item) && item["$patch"] === "replace" && Object.keys(item).length === 1));
}

function arrayOf(value: unknown, directive: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`${directive}: found ${JSON.stringify(value).slice(0, 200)}, expected a list`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
