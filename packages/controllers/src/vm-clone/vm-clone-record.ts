// What is remembered of a clone across restarts; only the VMClone controller writes it.

import type { VMClone } from "@vivarium/api";
import type { BaseRecord } from "./clone-base.ts";
import type { CloneStage } from "./vm-clone-plan.ts";

export interface CloneRecord {
  readonly stage: CloneStage;
  readonly startedMs?: number;
  /** The VMSnapshot that it is made from. */
  readonly snapshot?: BaseRecord;
  /** uid of the VirtualMachine. */
  readonly target?: string;
  readonly failure?: { readonly reason: string; readonly message: string };
}

const stages: readonly CloneStage[] = ["none", "copying", "copied", "done", "failed"];

export function cloneRecordOf({ status }: Pick<VMClone, "status">): CloneRecord {
  const record: Readonly<Record<string, unknown>> = status?.record ?? {};
  const { startedMs, target } = record;
  const snapshot = textsOf(record["snapshot"]);
  const failure = textsOf(record["failure"]);
  return {
    stage: stages.find((each) => each === record["stage"]) ?? "none",
    ...(typeof startedMs === "number" ? { startedMs } : {}),
    ...(snapshot === undefined
      ? {}
      : { snapshot: { name: snapshot("name"), uid: snapshot("uid"), isBase: snapshot("isBase") === "true" } }),
    ...(typeof target === "string" ? { target } : {}),
    ...(failure === undefined ? {} : { failure: { reason: failure("reason"), message: failure("message") } }),
  };
}

function textsOf(value: unknown): ((key: string) => string) | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = new Map(Object.entries(value));
  return (key) => String(entries.get(key) ?? "");
}
