// DeleteOptions, from the body of a DELETE or from its query.

import type { ApiRequest } from "@vivarium/api";
import { badRequest } from "../errors.ts";
import { parseBody } from "./parse-body.ts";
import { isDryRun } from "./target.ts";

export interface DeleteOptions {
  readonly isDryRun: boolean;
  /** Preconditions. */
  readonly uid?: string;
  readonly resourceVersion?: string;
}

const policies: ReadonlySet<unknown> = new Set([undefined, null, "", "Background", "Foreground", "Orphan"]);

export function parseDeleteOptions(request: ApiRequest): DeleteOptions {
  const body = parseBody(request) ?? {};
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw badRequest("DeleteOptions is not an object");
  const options = body as Record<string, unknown>;
  const { kind = "DeleteOptions", preconditions = {}, dryRun = [] } = options;
  if (kind !== "DeleteOptions")
    throw badRequest(`the kind in the data (${JSON.stringify(kind)}) does not match the expected kind (DeleteOptions)`);
  const policy = options["propagationPolicy"] ?? request.query.get("propagationPolicy");
  if (!policies.has(policy))
    throw badRequest(`propagationPolicy: found ${JSON.stringify(policy)}, expected Background, Foreground or Orphan`);
  if (dryRun !== null && !(Array.isArray(dryRun) && dryRun.every((each) => each === "All")))
    throw badRequest(`invalid dryRun: found ${JSON.stringify(dryRun)}, expected ["All"]`);
  const { uid, resourceVersion } = (preconditions ?? {}) as Record<string, unknown>;
  return {
    isDryRun: isDryRun(request.query) || (Array.isArray(dryRun) && dryRun.length > 0),
    ...(typeof uid === "string" && { uid }),
    ...(typeof resourceVersion === "string" && { resourceVersion }),
  };
}
