// The names under which a quota limits something, and what an object counts as.

import type { Resource } from "../resource.ts";

/** Names without a slash that Kubernetes takes; those of kinds that are not served count nothing. */
const standard: ReadonlySet<string> = new Set([
  ...["configmaps", "secrets", "resourcequotas", "serviceaccounts", "persistentvolumeclaims", "pods", "services"],
  ...["replicationcontrollers", "services.loadbalancers", "services.nodeports"],
  ...["cpu", "memory", "ephemeral-storage"],
  ...["requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage"],
  ...["limits.cpu", "limits.memory", "limits.ephemeral-storage"],
]);

export function isStandardName(name: string): boolean {
  return standard.has(name);
}

/** What one object of the kind counts as. */
export function countNamesOf(resource: Resource): readonly string[] {
  const { plural, group } = resource;
  return group === "" ? [plural, `count/${plural}`] : [`count/${plural}.${group}`];
}

/** `cpu` and `memory` are short for what is requested. */
export function canonicalName(name: string): string {
  return name === "cpu" || name === "memory" ? `requests.${name}` : name;
}
