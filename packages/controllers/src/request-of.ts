// The request that asks for a look at an object.

import type { KubeObject } from "@vivarium/api";
import type { ReconcileRequest } from "@vivarium/runtime";

export function requestOf({ metadata }: Pick<KubeObject, "metadata">): ReconcileRequest {
  return { namespace: metadata.namespace ?? "", name: metadata.name };
}
