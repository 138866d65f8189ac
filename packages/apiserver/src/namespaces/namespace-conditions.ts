// What a namespace that is being deleted says of itself, in the words of Kubernetes' namespace controller
// (pkg/controller/namespace/deletion/status_condition_utils.go).

import { timestamp } from "../meta/timestamp.ts";
import type { ApiObject } from "../stored-object.ts";

export interface Remaining {
  /** How many objects of which `plural.group` are left. */
  readonly objects: ReadonlyMap<string, number>;
  /** How many objects each finalizer holds. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Why objects were not let go, each in its own words. */
  readonly refusals: readonly string[];
}

interface Condition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

/** Told in full. */
const mostRefusals = 10;

type Finding = Omit<Condition, "lastTransitionTime">;

/** The namespace with conditions that say what holds it; undefined when it says so already. */
export function withRemaining(namespace: ApiObject, remaining: Remaining, now: Date): ApiObject | undefined {
  const status = (namespace["status"] ?? {}) as { conditions?: readonly Condition[] };
  const old = status.conditions ?? [];
  const conditions = findings(remaining).map((finding): Condition => {
    const before = old.find((each) => each.type === finding.type);
    const { type, ...rest } = finding;
    const lastTransitionTime =
      before?.status === finding.status && before.reason === finding.reason
        ? before.lastTransitionTime
        : timestamp(now);
    return { type, lastTransitionTime, ...rest };
  });
  const isSame =
    old.length === conditions.length &&
    conditions.every((each, index) => each.message === old[index]?.message && each.status === old[index].status);
  return isSame ? undefined : { ...namespace, status: { ...status, conditions } };
}

function findings({ objects, finalizers, refusals }: Remaining): readonly Finding[] {
  const counted = (map: ReadonlyMap<string, number>, word: string): string =>
    [...map]
      .map(([name, count]) => `${name} ${word} ${count} resource instances`)
      .toSorted()
      .join(", ");
  return [
    {
      type: "NamespaceDeletionDiscoveryFailure",
      status: "False",
      reason: "ResourcesDiscovered",
      message: "All resources successfully discovered",
    },
    {
      type: "NamespaceDeletionGroupVersionParsingFailure",
      status: "False",
      reason: "ParsedGroupVersions",
      message: "All legacy kube types successfully parsed",
    },
    refusals.length > 0
      ? {
          type: "NamespaceDeletionContentFailure",
          status: "True",
          reason: "ContentDeletionFailed",
          message: `Some content in the namespace is not deleted yet: ${refusals.slice(0, mostRefusals).join("; ")}`,
        }
      : {
          type: "NamespaceDeletionContentFailure",
          status: "False",
          reason: "ContentDeleted",
          message: "All content successfully deleted, may be waiting on finalization",
        },
    objects.size > 0
      ? {
          type: "NamespaceContentRemaining",
          status: "True",
          reason: "SomeResourcesRemain",
          message: `Some resources are remaining: ${counted(objects, "has")}`,
        }
      : {
          type: "NamespaceContentRemaining",
          status: "False",
          reason: "ContentRemoved",
          message: "All content successfully removed",
        },
    finalizers.size > 0
      ? {
          type: "NamespaceFinalizersRemaining",
          status: "True",
          reason: "SomeFinalizersRemain",
          message: `Some content in the namespace has finalizers remaining: ${counted(finalizers, "in")}`,
        }
      : {
          type: "NamespaceFinalizersRemaining",
          status: "False",
          reason: "ContentHasNoFinalizers",
          message: "All content-preserving finalizers finished",
        },
  ];
}
