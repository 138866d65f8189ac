// From a key of the store back to the kind and the object that it names.

import type { ResourceRegistry } from "./resource-registry.ts";
import type { ObjectPlace } from "./tasks/own-api.ts";

export const registryPrefix = "/registry/";

/** Undefined when no such kind is served. */
export function placeOfKey(registry: ResourceRegistry, key: string): ObjectPlace | undefined {
  const [group, plural, ...rest] = key.slice(registryPrefix.length).split("/");
  const resource = registry
    .all()
    .find((each) => each.plural === plural && (each.group === "" ? "core" : each.group) === group);
  const [first, second] = rest;
  if (resource === undefined || first === undefined) return undefined;
  if (!resource.namespaced) return { resource, name: first };
  return second === undefined ? undefined : { resource, namespace: first, name: second };
}
