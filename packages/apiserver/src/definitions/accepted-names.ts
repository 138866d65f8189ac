// Which of a definition's names it gets, and the two conditions that say so. Names within a group belong to whoever had them accepted
// first (https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/controller/status/naming_controller.go).

import type { Condition } from "@vivarium/api";
import type { CustomResourceNames } from "../custom-resource-definition.ts";
import type { DefinitionStatus, StoredDefinition } from "./stored-definition.ts";

/** Names of one group that others have. */
export interface TakenNames {
  /** Plural, singular and short names. */
  readonly resources: ReadonlySet<string>;
  /** Kinds and kinds of lists. */
  readonly kinds: ReadonlySet<string>;
}

export function takenNames(others: Iterable<Partial<CustomResourceNames>>): TakenNames {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { plural, singular, shortNames, kind, listKind } of others) {
    for (const name of [plural, singular, ...(shortNames ?? [])]) if (name !== undefined) resources.add(name);
    for (const name of [kind, listKind]) if (name !== undefined) kinds.add(name);
  }
  return { resources, kinds };
}

/** The status with names and conditions as they should be; equal to the present one when nothing changes. */
export function acceptNames(definition: StoredDefinition, taken: TakenNames, now: string): DefinitionStatus {
  const wanted = definition.spec.names;
  const accepted = definition.status.acceptedNames;
  const next: Record<string, unknown> = { ...accepted, categories: wanted.categories };
  const problems: { reason: string; message: string }[] = [];
  const claim = (
    field: "plural" | "singular" | "kind" | "listKind",
    used: ReadonlySet<string>,
    reason: string,
  ): void => {
    const name = wanted[field];
    if (name === undefined || name === accepted[field] || !used.has(name)) next[field] = name;
    else problems.push({ reason, message: `"${name}" is already in use` });
  };
  claim("plural", taken.resources, "PluralConflict");
  claim("singular", taken.resources, "SingularConflict");
  const used = (wanted.shortNames ?? []).filter(
    (name) => accepted.shortNames?.includes(name) !== true && taken.resources.has(name),
  );
  if (used.length === 0) next["shortNames"] = wanted.shortNames;
  else
    problems.push({
      reason: "ShortNamesConflict",
      message: used.map((name) => `"${name}" is already in use`).join(", "),
    });
  claim("kind", taken.kinds, "KindConflict");
  claim("listKind", taken.kinds, "ListKindConflict");

  const last = problems.at(-1);
  const namesAccepted: Wanted =
    last === undefined
      ? { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" }
      : { type: "NamesAccepted", status: "False", ...last };
  const wasEstablished = definition.status.conditions.some(
    ({ type, status }) => type === "Established" && status === "True",
  );
  const established: Wanted =
    wasEstablished || last === undefined
      ? {
          type: "Established",
          status: "True",
          reason: "InitialNamesAccepted",
          message: "the initial names have been accepted",
        }
      : { type: "Established", status: "False", reason: "NotAccepted", message: "not all names are accepted" };
  return {
    ...definition.status,
    acceptedNames: JSON.parse(JSON.stringify(next)) as CustomResourceNames,
    conditions: [namesAccepted, established].reduce(
      (conditions, condition) => withCondition(conditions, condition, now),
      definition.status.conditions,
    ),
  };
}

type Wanted = Omit<Condition, "lastTransitionTime">;

export function withCondition(conditions: readonly Condition[], wanted: Wanted, now: string): readonly Condition[] {
  const old = conditions.find((each) => each.type === wanted.type);
  const isSame = old?.status === wanted.status && old.reason === wanted.reason && old.message === wanted.message;
  if (old !== undefined && isSame) return conditions;
  const lastTransitionTime = old !== undefined && old.status === wanted.status ? old.lastTransitionTime : now;
  const { type, status, reason, message } = wanted;
  const next: Condition = { type, status, lastTransitionTime, reason, message };
  return old === undefined ? [...conditions, next] : conditions.map((each) => (each === old ? next : each));
}
