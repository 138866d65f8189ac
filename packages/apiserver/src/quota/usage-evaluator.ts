// How much of something one object takes, for kinds whose objects are more than counted. The composition root knows the kinds and gives
// the evaluators; the quota only adds up.

import type { KubeObject } from "@vivarium/api";

/** Reads another object that a size follows from; undefined when there is none. */
export type ReadObject = (place: {
  readonly group: string;
  readonly plural: string;
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
}) => Promise<KubeObject | undefined>;

/** Quantities by name, for example `{ "requests.cpu": 2, "requests.memory": "4Gi" }`. What cannot be told is left out. */
export type MeasuredUsage = Readonly<Record<string, string | number>>;

export interface UsageEvaluator {
  readonly group: string;
  readonly plural: string;
  /** Every name that it can give. */
  readonly names: readonly string[];
  usageOf(object: KubeObject, read: ReadObject): Promise<MeasuredUsage>;
}
