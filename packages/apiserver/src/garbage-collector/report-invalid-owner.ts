// A Warning event about a reference to an owner that cannot be one: it lies in another namespace.

import { createHash } from "node:crypto";
import { isStatus, type OwnerReference } from "@vivarium/api";
import { timestamp } from "../meta/timestamp.ts";
import type { Collector } from "./collect-dependent.ts";
import type { ObjectFacts } from "./owned-object.ts";

/** Once for each pair of dependent and owner, as long as the event is kept. */
export async function reportInvalidOwner(
  { state, api }: Collector,
  { owner, dependent }: { readonly owner: OwnerReference; readonly dependent: ObjectFacts },
): Promise<void> {
  if (state.registry.find("", "v1", "events") === undefined) return;
  const namespace = dependent.namespace ?? "default";
  const now = timestamp(state.now());
  const suffix = createHash("sha256").update(`${dependent.uid} ${owner.uid}`).digest("hex").slice(0, 16);
  const identity = `[${owner.apiVersion}/${owner.kind}, namespace: ${dependent.namespace ?? ""}, name: ${owner.name}, uid: ${owner.uid}]`;
  try {
    await api.create(`/api/v1/namespaces/${namespace}/events`, {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: `${dependent.name.slice(0, 200)}.${suffix}`, namespace },
      involvedObject: {
        apiVersion: dependent.apiVersion,
        kind: dependent.kind,
        name: dependent.name,
        uid: dependent.uid,
        ...(dependent.namespace !== undefined && { namespace: dependent.namespace }),
      },
      type: "Warning",
      reason: "OwnerRefInvalidNamespace",
      message: `ownerRef ${identity} does not exist in namespace "${dependent.namespace ?? ""}"`,
      source: { component: "garbage-collector-controller" },
      reportingComponent: "garbage-collector-controller",
      reportingInstance: "",
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    });
  } catch (error) {
    // Reported before, or the namespace is going away with everything in it.
    if (!isStatus(error, "AlreadyExists", "NotFound", "Forbidden")) throw error;
  }
}
