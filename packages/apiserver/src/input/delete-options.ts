// DeleteOptions, from the body of a DELETE or from its query.

import type { ApiRequest } from "@vivarium/api";
import { StatusError } from "@vivarium/api";
import { badRequest } from "../errors.ts";
import { invalidValue, notSupported, type FieldError } from "../schema/field-error.ts";
import { parseBody } from "./parse-body.ts";
import { isDryRun } from "./target.ts";

/** What becomes of the objects that name the deleted one as their owner. */
export type Propagation = "Background" | "Foreground" | "Orphan";

export interface DeleteOptions {
  readonly isDryRun: boolean;
  /** Absent: as the object's finalizers say, else in the background. */
  readonly propagation?: Propagation;
  /** Asked for by the old `orphanDependents: false`: a deletion that is not over yet is answered with 202. */
  readonly wantsAccepted?: boolean;
  /** Preconditions. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

const policies: ReadonlySet<unknown> = new Set(["Background", "Foreground", "Orphan"]);

export function parseDeleteOptions(request: ApiRequest): DeleteOptions {
  const options = bodyOf(request) ?? queryOf(request.query);
  const { propagationPolicy: policy, orphanDependents, dryRun, gracePeriodSeconds } = options;
  const { uid, resourceVersion } = recordOf(options["preconditions"], "preconditions");
  const errors: FieldError[] = [];
  if (isSet(policy) && !policies.has(policy))
    errors.push(notSupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"]));
  if (isSet(policy) && isSet(orphanDependents))
    errors.push(
      invalidValue("propagationPolicy", policy, "orphanDependents and deletionPropagation cannot be both set"),
    );
  if (isSet(dryRun) && !(Array.isArray(dryRun) && dryRun.every((each) => each === "All")))
    errors.push(notSupported("dryRun", dryRun, ["All"]));
  if (errors.length > 0) throw invalidOptions(errors);
  if (isSet(orphanDependents) && typeof orphanDependents !== "boolean")
    throw badRequest(`orphanDependents: found ${JSON.stringify(orphanDependents)}, expected true or false`);
  if (isSet(gracePeriodSeconds) && !Number.isInteger(gracePeriodSeconds))
    throw badRequest(`gracePeriodSeconds: found ${JSON.stringify(gracePeriodSeconds)}, expected a number of seconds`);
  const propagation = propagationOf(policy, orphanDependents);
  return {
    isDryRun: isDryRun(request.query) || (Array.isArray(dryRun) && dryRun.length > 0),
    ...(propagation !== undefined && { propagation }),
    wantsAccepted: orphanDependents === false,
    ...(typeof uid === "string" && { uid }),
    ...(typeof resourceVersion === "string" && { resourceVersion }),
  };
}

function propagationOf(policy: unknown, orphanDependents: unknown): Propagation | undefined {
  if (orphanDependents === true) return "Orphan";
  if (orphanDependents === false) return "Background";
  return policy === "Background" || policy === "Foreground" || policy === "Orphan" ? policy : undefined;
}

function bodyOf(request: ApiRequest): Readonly<Record<string, unknown>> | undefined {
  const body = parseBody(request);
  if (body === undefined) return undefined;
  const options = recordOf(body, "DeleteOptions");
  const { kind = "DeleteOptions" } = options;
  if (kind !== "DeleteOptions")
    throw badRequest(`the kind in the data (${JSON.stringify(kind)}) does not match the expected kind (DeleteOptions)`);
  return options;
}

/** The same options where the request has no body; `dryRun` is read from the query in any case. */
function queryOf(query: URLSearchParams): Readonly<Record<string, unknown>> {
  const orphan = query.get("orphanDependents") ?? undefined;
  const grace = query.get("gracePeriodSeconds") ?? undefined;
  return {
    propagationPolicy: query.get("propagationPolicy") ?? undefined,
    orphanDependents:
      orphan === "true" || orphan === "1" ? true : orphan === "false" || orphan === "0" ? false : orphan,
    gracePeriodSeconds: grace !== undefined && /^-?\d+$/.test(grace) ? Number(grace) : grace,
    preconditions: {
      uid: query.get("preconditions.uid") ?? undefined,
      resourceVersion: query.get("preconditions.resourceVersion") ?? undefined,
    },
  };
}

function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (!isSet(value)) return {};
  if (typeof value !== "object" || Array.isArray(value)) throw badRequest(`${what} is not an object`);
  return value as Record<string, unknown>;
}

function isSet<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null && value !== "";
}

function invalidOptions(errors: readonly FieldError[]): StatusError {
  const sentences = errors.map((error) => `${error.field}: ${error.message}`);
  const all = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  return new StatusError("Invalid", `DeleteOptions.meta.k8s.io "" is invalid: ${all}`, {
    details: { group: "meta.k8s.io", kind: "DeleteOptions", causes: [...errors] },
  });
}
