// Keeps managedFields from growing without end where every client calls itself something else: of more than ten managers that update, the
// oldest become one (k8s.io/apimachinery/pkg/util/managedfields/internal/capmanagers.go).

import { union } from "./field-set.ts";
import { ownerId, type Owner } from "./managed-fields.ts";

const maxUpdaters = 10;
const bucketName = "ancient-changes";

/** Changes `owners`. */
export function capOwners(owners: Map<string, Owner>): void {
  if (owners.size <= maxUpdaters) return;
  const updaters = [...owners].filter(([, owner]) => owner.operation === "Update");
  let surplus = updaters.length - maxUpdaters;
  if (surplus <= 0) return;
  const oldestFirst = updaters.toSorted(([, a], [, b]) => ((a.time ?? "") < (b.time ?? "") ? -1 : 1));
  const firstOfVersion = new Map<string, string>();
  for (const [id, owner] of oldestFirst) {
    if (surplus <= 0) return;
    const first = firstOfVersion.get(owner.apiVersion);
    if (first === undefined) {
      firstOfVersion.set(owner.apiVersion, id);
      continue;
    }
    const bucketId = ownerId({ manager: bucketName, operation: "Update", apiVersion: owner.apiVersion });
    const bucket = owners.get(bucketId) ?? owners.get(first);
    owners.delete(first);
    owners.delete(id);
    owners.set(bucketId, {
      manager: bucketName,
      operation: "Update",
      apiVersion: owner.apiVersion,
      ...(owner.time !== undefined && { time: owner.time }),
      fields: bucket === undefined ? owner.fields : union(bucket.fields, owner.fields),
    });
    surplus--;
  }
}
