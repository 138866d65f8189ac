// The roles and bindings that exist from the start (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings).
// `view`, `edit` and `admin` are put together from the roles with the labels `…/aggregate-to-*`; the kinds that the server was given
// have one such role for each.

import { rbac, type ClusterRole, type ClusterRoleBinding, type PolicyRule } from "@vivarium/api";
import type { CustomResourceDefinition } from "../custom-resource-definition.ts";
import type { Subresource } from "../subresources.ts";
import { allPowerfulGroup } from "./rbac-access-control.ts";

export interface DefaultRoles {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
}

const apiVersion = `${rbac.group}/${rbac.version}`;
const bootstrapLabel = { "kubernetes.io/bootstrapping": "rbac-defaults" };
/** Set to "false" by who changed a default role and wants it left alone. */
export const autoUpdateAnnotation = "rbac.authorization.kubernetes.io/autoupdate";
const aggregateLabel = (role: AggregatedRole): string => `rbac.authorization.k8s.io/aggregate-to-${role}`;

type AggregatedRole = "view" | "edit" | "admin";

const reading = ["get", "list", "watch"];
const writing = ["create", "delete", "deletecollection", "patch", "update"];
const authenticated = "system:authenticated";
const unauthenticated = "system:unauthenticated";
const healthPaths = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

/** What the server was made with; kinds that users define later are not among it. */
export interface RoleSources {
  readonly definitions: readonly CustomResourceDefinition[];
  readonly subresources: readonly Subresource[];
}

export function defaultRoles(given: RoleSources): DefaultRoles {
  return {
    clusterRoles: [
      role("cluster-admin", [resources(["*"], ["*"], ["*"]), paths(["*"], ["*"])]),
      aggregate("admin", ["admin", "edit", "view"]),
      aggregate("edit", ["edit", "view"]),
      aggregate("view", ["view"]),
      part("system:aggregate-to-view", "view", coreViewRules),
      part("system:aggregate-to-edit", "edit", coreEditRules),
      part("system:aggregate-to-admin", "admin", coreAdminRules),
      part("vivarium:aggregate-to-view", "view", viewRules(given)),
      part("vivarium:aggregate-to-edit", "edit", editRules(given)),
      role("system:discovery", [
        paths(["get"], ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*", ...healthPaths]),
      ]),
      role("system:basic-user", [
        resources(["create"], ["authorization.k8s.io"], ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        resources(["create"], ["authentication.k8s.io"], ["selfsubjectreviews"]),
      ]),
      role("system:public-info-viewer", [paths(["get"], healthPaths)]),
      role("system:service-account-issuer-discovery", [
        paths(["get"], ["/.well-known/openid-configuration", "/openid/v1/jwks"]),
      ]),
      role("system:monitoring", [
        paths(["get"], ["/metrics", "/livez", "/livez/*", "/readyz", "/readyz/*", "/healthz", "/healthz/*"]),
      ]),
      role("system:auth-delegator", [
        resources(["create"], ["authentication.k8s.io"], ["tokenreviews"]),
        resources(["create"], ["authorization.k8s.io"], ["subjectaccessreviews"]),
      ]),
    ],
    clusterRoleBindings: [
      binding("cluster-admin", [allPowerfulGroup]),
      binding("system:discovery", [authenticated]),
      binding("system:basic-user", [authenticated]),
      binding("system:public-info-viewer", [authenticated, unauthenticated]),
      binding("system:service-account-issuer-discovery", ["system:serviceaccounts"]),
      binding("system:monitoring", ["system:monitoring"]),
    ],
  };
}

// What Kubernetes' own roles say, as far as the kinds are here. Secrets are not for viewers: they would give the rights of others.
const coreViewRules: readonly PolicyRule[] = [
  resources(
    reading,
    [""],
    [
      "configmaps",
      "events",
      "namespaces",
      "namespaces/status",
      "resourcequotas",
      "resourcequotas/status",
      "serviceaccounts",
    ],
  ),
  resources(reading, ["events.k8s.io"], ["events"]),
];

const coreEditRules: readonly PolicyRule[] = [
  resources(reading, [""], ["secrets"]),
  resources(writing, [""], ["configmaps", "events", "secrets", "serviceaccounts"]),
  resources(["create"], [""], ["serviceaccounts/token"]),
  resources(["impersonate"], [""], ["serviceaccounts"]),
  resources(writing, ["events.k8s.io"], ["events"]),
  resources([...reading, ...writing], ["coordination.k8s.io"], ["leases"]),
];

const coreAdminRules: readonly PolicyRule[] = [
  resources(["create"], ["authorization.k8s.io"], ["localsubjectaccessreviews"]),
  resources([...reading, ...writing], [rbac.group], ["rolebindings", "roles"]),
];

/** What is only read is for viewers; what is connected to, such as a console, changes the machine behind it. */
function viewRules({ definitions, subresources }: RoleSources): PolicyRule[] {
  return byGroup(definitions).map(([group, kinds]) =>
    resources(
      reading,
      [group],
      [
        ...kinds.flatMap(resourcesOf),
        ...subresources.filter((each) => each.group === group && each.get !== undefined).map(nameOf),
      ],
    ),
  );
}

function editRules({ definitions, subresources }: RoleSources): PolicyRule[] {
  return byGroup(definitions).flatMap(([group, kinds]) => {
    const connected = subresources
      .filter((each) => each.group === group && (each.connect !== undefined || each.create !== undefined))
      .map(nameOf);
    return [
      resources(writing, [group], kinds.flatMap(resourcesOf)),
      ...(connected.length > 0 ? [resources(["create", "get"], [group], connected)] : []),
    ];
  });
}

function byGroup(definitions: readonly CustomResourceDefinition[]): [string, CustomResourceDefinition[]][] {
  const own = definitions.filter(({ spec: { group } }) => group !== "" && !group.endsWith(".k8s.io"));
  return [...Map.groupBy(own, ({ spec }) => spec.group)];
}

function resourcesOf({ spec: { names, versions } }: CustomResourceDefinition): string[] {
  const has = (name: "status" | "scale"): boolean => versions.some((each) => each.subresources?.[name] !== undefined);
  return [
    names.plural,
    ...(has("status") ? [`${names.plural}/status`] : []),
    ...(has("scale") ? [`${names.plural}/scale`] : []),
  ];
}

function nameOf({ plural, name }: Subresource): string {
  return `${plural}/${name}`;
}

function resources(verbs: readonly string[], apiGroups: readonly string[], names: readonly string[]): PolicyRule {
  return { apiGroups: [...apiGroups], resources: [...names], verbs: [...verbs] };
}

function paths(verbs: readonly string[], nonResourceURLs: readonly string[]): PolicyRule {
  return { nonResourceURLs: [...nonResourceURLs], verbs: [...verbs] };
}

function role(name: string, rules: readonly PolicyRule[], labels: Record<string, string> = {}): ClusterRole {
  return {
    apiVersion,
    kind: "ClusterRole",
    metadata: { name, labels: { ...bootstrapLabel, ...labels }, annotations: { [autoUpdateAnnotation]: "true" } },
    rules: [...rules],
  };
}

function part(name: string, of: AggregatedRole, rules: readonly PolicyRule[]): ClusterRole {
  return role(name, rules, { [aggregateLabel(of)]: "true" });
}

/** Its label lets the next more powerful role contain it. */
function aggregate(name: AggregatedRole, from: readonly AggregatedRole[]): ClusterRole {
  return {
    ...role(name, []),
    aggregationRule: {
      clusterRoleSelectors: from.map((each) => ({ matchLabels: { [aggregateLabel(each)]: "true" } })),
    },
  };
}

function binding(roleName: string, groups: readonly string[]): ClusterRoleBinding {
  return {
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: {
      name: roleName,
      labels: bootstrapLabel,
      annotations: { [autoUpdateAnnotation]: "true" },
    },
    roleRef: { apiGroup: rbac.group, kind: "ClusterRole", name: roleName },
    subjects: groups.map((name) => ({ apiGroup: rbac.group, kind: "Group", name })),
  };
}
