// What a request is about.

import { badRequest } from "../errors.ts";
import type { Resource } from "../resource.ts";

export interface Target {
  readonly resource: Resource;
  /** Absent for cluster-scoped kinds, and for all namespaces. */
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: "status" | "scale";
}

export interface NamedTarget extends Target {
  readonly name: string;
}

/** The key of the object that the target names. */
export function keyOf(target: NamedTarget): string {
  return target.resource.keyOf(target.namespace, target.name);
}

/** Reads `dryRun`. */
export function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll("dryRun").filter((value) => value !== "");
  const wrong = values.find((value) => value !== "All");
  if (wrong !== undefined) throw badRequest(`invalid dryRun: found ${JSON.stringify(wrong)}, expected "All"`);
  return values.length > 0;
}
