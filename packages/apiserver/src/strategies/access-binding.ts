// RoleBinding and ClusterRoleBinding: who has which role. The role of a binding never changes, since who may change the subjects need
// not be allowed to hand out another role.

import { rbac, type RoleReference, type Subject } from "@vivarium/api";
import { invalidValue, notSupported, required, type FieldError } from "../schema/field-error.ts";
import type { ApiObject } from "../stored-object.ts";
import { ageColumn } from "./age-column.ts";
import { coreStrategy, type ComputedColumn, type Strategy } from "./strategy.ts";

interface BindingParts {
  roleRef?: RoleReference;
  subjects?: Subject[];
}

const parts = (object: ApiObject): BindingParts => object as ApiObject & BindingParts;

export const roleBindingStrategy: Strategy = strategyFor({ roleKinds: ["Role", "ClusterRole"], isNamespaced: true });
export const clusterRoleBindingStrategy: Strategy = strategyFor({ roleKinds: ["ClusterRole"], isNamespaced: false });

interface Scope {
  readonly roleKinds: readonly string[];
  readonly isNamespaced: boolean;
}

function strategyFor(scope: Scope): Strategy {
  return {
    ...coreStrategy,
    nameRule: "path-segment",
    columns: [
      {
        name: "Role",
        type: "string",
        description: "The role that the subjects have.",
        cell: (object) => `${parts(object).roleRef?.kind ?? ""}/${parts(object).roleRef?.name ?? ""}`,
      },
      ageColumn,
      subjectColumn("Users", "User"),
      subjectColumn("Groups", "Group"),
      subjectColumn("ServiceAccounts", "ServiceAccount"),
    ],
    prepare(object) {
      const { subjects } = parts(object);
      if (!Array.isArray(subjects)) return;
      for (const subject of subjects)
        if (subject.kind !== "ServiceAccount" && (subject.apiGroup ?? "") === "") subject.apiGroup = rbac.group;
    },
    validate: (object, old) => [
      ...checkRole(parts(object).roleRef, scope),
      ...(old !== undefined && !isSameRole(parts(old).roleRef, parts(object).roleRef)
        ? [invalidValue("roleRef", parts(object).roleRef, "cannot change roleRef")]
        : []),
      ...(parts(object).subjects ?? []).flatMap((subject, index) => checkSubject(subject, `subjects[${index}]`, scope)),
    ],
  };
}

function subjectColumn(name: string, kind: string): ComputedColumn {
  const shown = ({ namespace = "", name: own }: Subject): string =>
    kind === "ServiceAccount" ? `${namespace}/${own}` : own;
  return {
    name,
    type: "string",
    description: `${name} that have the role.`,
    priority: 1,
    cell: (object) =>
      (parts(object).subjects ?? [])
        .filter((subject) => subject.kind === kind)
        .map(shown)
        .join(", "),
  };
}

function isSameRole(a: RoleReference | undefined, b: RoleReference | undefined): boolean {
  return a?.apiGroup === b?.apiGroup && a?.kind === b?.kind && a?.name === b?.name;
}

// https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/validation/validation.go
function checkRole(roleRef: RoleReference | undefined, { roleKinds }: Scope): FieldError[] {
  const { apiGroup, kind = "", name = "" } = roleRef ?? {};
  return [
    ...(apiGroup === rbac.group ? [] : [notSupported("roleRef.apiGroup", apiGroup ?? "", [rbac.group])]),
    ...(roleKinds.includes(kind) ? [] : [notSupported("roleRef.kind", kind, roleKinds)]),
    ...(name === "" ? [required("roleRef.name")] : []),
  ];
}

const groupOfSubject: Readonly<Record<string, string>> = { User: rbac.group, Group: rbac.group, ServiceAccount: "" };

function checkSubject(
  { kind, apiGroup = "", name, namespace = "" }: Subject,
  path: string,
  scope: Scope,
): FieldError[] {
  const errors = name === "" ? [required(`${path}.name`)] : [];
  const wanted = Object.hasOwn(groupOfSubject, kind) ? groupOfSubject[kind] : undefined;
  if (wanted === undefined) return [...errors, notSupported(`${path}.kind`, kind, Object.keys(groupOfSubject))];
  if (apiGroup !== wanted) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [wanted]));
  if (kind === "ServiceAccount" && !scope.isNamespaced && namespace === "") errors.push(required(`${path}.namespace`));
  return errors;
}
