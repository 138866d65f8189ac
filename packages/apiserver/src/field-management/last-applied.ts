// The annotation in which a client-side `kubectl apply` keeps its configuration. A server-side apply by kubectl takes over what that
// configuration says, and keeps the annotation true for a client-side apply that may follow
// (k8s.io/apimachinery/pkg/util/managedfields/internal/lastapplied*.go).

import type { JsonSchema } from "../custom-resource-definition.ts";
import type { ApiObject } from "../stored-object.ts";
import { difference, isEmpty, type FieldSet } from "./field-set.ts";
import type { OwnershipConflict } from "./apply-config.ts";
import { claimedFields } from "./fields-of.ts";

const annotation = "kubectl.kubernetes.io/last-applied-configuration";
const maxAnnotationsBytes = 256 * 1024;

/** The only manager that is known to continue what the annotation began. */
export const kubectlManager = "kubectl";

/** Conflicts about fields that the annotation does not claim. */
export function withoutLastApplied(
  conflicts: readonly OwnershipConflict[],
  live: ApiObject | undefined,
  schema: JsonSchema,
): readonly OwnershipConflict[] {
  const allowed = live === undefined ? undefined : lastAppliedFields(live, schema);
  if (allowed === undefined) return conflicts;
  return conflicts
    .map(({ owner, fields }) => ({ owner, fields: difference(fields, allowed) }))
    .filter(({ fields }) => !isEmpty(fields));
}

/** Changes `object` where it has the annotation. */
export function syncLastApplied(object: ApiObject, config: ApiObject): void {
  const { annotations } = object.metadata;
  if (annotations?.[annotation] === undefined) return;
  const { [annotation]: _, ...others } = config.metadata.annotations ?? {};
  const { annotations: _annotations, ...metadata } = config.metadata;
  const applied = {
    ...config,
    metadata: { ...(Object.keys(others).length > 0 && { annotations: others }), ...metadata },
  };
  const text = `${JSON.stringify(applied)}\n`;
  const total = Object.entries({ ...annotations, [annotation]: text }).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  // One that no longer fits would make the write fail; without it a client-side apply begins anew.
  if (total <= maxAnnotationsBytes) annotations[annotation] = text;
  else delete annotations[annotation];
}

function lastAppliedFields(live: ApiObject, schema: JsonSchema): FieldSet | undefined {
  const text = live.metadata.annotations?.[annotation];
  if (text === undefined) return undefined;
  try {
    return claimedFields(JSON.parse(text), schema);
  } catch {
    return undefined;
  }
}
