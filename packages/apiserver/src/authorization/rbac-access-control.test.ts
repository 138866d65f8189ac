import assert from "node:assert/strict";
import { test } from "node:test";
import type { PolicyRule, RoleReference, Subject, UserInfo } from "@vivarium/api";
import * as fc from "fast-check";
import type { Attributes } from "./attributes.ts";
import { RbacAccessControl } from "./rbac-access-control.ts";
import { RbacIndex } from "./rbac-index.ts";

interface Stored {
  readonly key: string;
  readonly object: { rules?: PolicyRule[]; subjects?: Subject[]; roleRef?: RoleReference };
}

/** Kubernetes' definition, read off its documentation, with no index and no memory. */
function reference(all: ReadonlyMap<string, Stored["object"]>, user: UserInfo, asked: Attributes): boolean {
  const bindings = [...all].filter(([key, { roleRef }]) => {
    const [plural, namespace] = key.split("/");
    if (roleRef === undefined) return false;
    if (plural === "clusterrolebindings") return true;
    return asked.type === "resource" && asked.namespace === namespace;
  });
  return bindings.some(([key, { roleRef, subjects = [] }]) => {
    const own = key.startsWith("rolebindings/") ? (key.split("/")[1] ?? "") : "";
    const isSubject = subjects.some((subject) => {
      if (subject.kind === "User") return subject.name === user.name;
      if (subject.kind === "Group") return user.groups.includes(subject.name);
      const namespace = subject.namespace ?? own;
      return namespace !== "" && user.name === `system:serviceaccount:${namespace}:${subject.name}`;
    });
    if (!isSubject || roleRef === undefined) return false;
    const role = all.get(roleRef.kind === "Role" ? `roles/${own}/${roleRef.name}` : `clusterroles/${roleRef.name}`);
    return (role?.rules ?? []).some((rule) => allows(rule, asked));
  });
}

function allows(rule: PolicyRule, asked: Attributes): boolean {
  const has = (list: readonly string[] | undefined, wanted: readonly string[]): boolean =>
    wanted.some((each) => (list ?? []).includes(each));
  if (!has(rule.verbs, ["*", asked.verb])) return false;
  if (asked.type === "path")
    return (rule.nonResourceURLs ?? []).some((url) =>
      url.endsWith("*") ? asked.path.startsWith(url.slice(0, -1)) : url === asked.path,
    );
  const resources =
    asked.subresource === ""
      ? ["*", asked.resource]
      : ["*", `${asked.resource}/${asked.subresource}`, `*/${asked.subresource}`];
  return (
    has(rule.apiGroups, ["*", asked.group]) &&
    has(rule.resources, resources) &&
    ((rule.resourceNames ?? []).length === 0 || has(rule.resourceNames, [asked.name]))
  );
}

const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 });
const namespace = fc.constantFrom("one", "two");
const name = fc.constantFrom("a", "b");
const rule: fc.Arbitrary<PolicyRule> = fc.oneof(
  fc.record({
    verbs: some("get", "list", "*"),
    apiGroups: some("", "g", "*"),
    resources: some("vms", "vms/status", "*/status", "*"),
    resourceNames: some("a", "b"),
  }),
  fc.record({ verbs: some("get", "*"), nonResourceURLs: some("/metrics", "/api/*", "*") }),
);
const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.record({ kind: fc.constantFrom("User", "Group"), name: fc.constantFrom("u", "v", "g") }),
  fc.record(
    { kind: fc.constant("ServiceAccount"), name: fc.constantFrom("s", "t"), namespace },
    { requiredKeys: ["kind", "name"] },
  ),
);
const roleRef: fc.Arbitrary<RoleReference> = fc.record({ kind: fc.constantFrom("Role", "ClusterRole"), name });
const rules = fc.array(rule, { maxLength: 3 });
const subjects = fc.array(subject, { maxLength: 3 });
const stored: fc.Arbitrary<Stored> = fc.oneof(
  fc.record({
    key: fc.tuple(namespace, name).map((place) => `roles/${place.join("/")}`),
    object: fc.record({ rules }),
  }),
  fc.record({ key: name.map((each) => `clusterroles/${each}`), object: fc.record({ rules }) }),
  fc.record({
    key: fc.tuple(namespace, name).map((place) => `rolebindings/${place.join("/")}`),
    object: fc.record({ roleRef, subjects }),
  }),
  fc.record({
    key: name.map((each) => `clusterrolebindings/${each}`),
    object: fc.record({ roleRef: roleRef.map((each) => ({ ...each, kind: "ClusterRole" })), subjects }),
  }),
);
const user: fc.Arbitrary<UserInfo> = fc.record({
  name: fc.constantFrom("u", "v", "system:serviceaccount:one:s", "system:serviceaccount:two:t"),
  groups: some("g", "h"),
});
const attributes: fc.Arbitrary<Attributes> = fc.oneof(
  fc.record({
    type: fc.constant("resource" as const),
    verb: fc.constantFrom("get", "list", "delete"),
    group: fc.constantFrom("", "g"),
    version: fc.constant("v1"),
    resource: fc.constantFrom("vms", "secrets"),
    subresource: fc.constantFrom("", "status"),
    namespace: fc.constantFrom("", "one", "two"),
    name: fc.constantFrom("", "a", "c"),
  }),
  fc.record({
    type: fc.constant("path" as const),
    verb: fc.constantFrom("get", "post"),
    path: fc.constantFrom("/metrics", "/api/v1", "/other"),
  }),
);
type Step =
  | { readonly set: Stored }
  | { readonly remove: Stored }
  | { readonly user: UserInfo; readonly ask: Attributes };
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ set: stored }) },
    { weight: 1, arbitrary: fc.record({ remove: stored }) },
    { weight: 6, arbitrary: fc.record({ user, ask: attributes }) },
  ),
  { maxLength: 40 },
);

test("decisions are those of the plain definition, after any history of changes and questions", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const index = new RbacIndex();
      const access = new RbacAccessControl(index);
      const all = new Map<string, Stored["object"]>();
      for (const step of history) {
        if ("ask" in step) {
          const isAllowed = reference(all, step.user, step.ask);
          assert.equal(access.decide(step.user, step.ask).isAllowed, isAllowed);
          continue;
        }
        const { key, object } = "set" in step ? step.set : step.remove;
        if ("set" in step) all.set(key, object);
        else all.delete(key);
        index.set(key, "set" in step ? object : undefined);
        access.forget();
      }
    }),
    { numRuns: 500 },
  );
});
