// Which kinds have behaviour of their own, by group and plural.

import { clusterRoleBindingStrategy, roleBindingStrategy } from "./access-binding.ts";
import { clusterRoleStrategy, roleStrategy } from "./access-role.ts";
import { configMapStrategy } from "./config-map.ts";
import { definitionStrategy } from "./custom-resource-definition.ts";
import { eventStrategy } from "./event.ts";
import { eventsEventStrategy } from "./events-event.ts";
import { namespaceStrategy } from "./namespace.ts";
import { resourceQuotaStrategy } from "./resource-quota.ts";
import { secretStrategy } from "./secret.ts";
import { serviceAccountStrategy } from "./service-account.ts";
import { admissionPolicyBindingStrategy, admissionPolicyStrategy } from "./validating-admission-policy.ts";
import { coreStrategy, customResourceStrategy, type Strategy } from "./strategy.ts";

const strategies: Readonly<Record<string, Strategy>> = {
  "/configmaps": configMapStrategy,
  "admissionregistration.k8s.io/validatingadmissionpolicies": admissionPolicyStrategy,
  "admissionregistration.k8s.io/validatingadmissionpolicybindings": admissionPolicyBindingStrategy,
  "apiextensions.k8s.io/customresourcedefinitions": definitionStrategy,
  "coordination.k8s.io/leases": { ...coreStrategy, allowsUnconditionalUpdate: false },
  "/events": eventStrategy,
  "/namespaces": namespaceStrategy,
  "/resourcequotas": resourceQuotaStrategy,
  "/secrets": secretStrategy,
  "/serviceaccounts": serviceAccountStrategy,
  "rbac.authorization.k8s.io/clusterrolebindings": clusterRoleBindingStrategy,
  "rbac.authorization.k8s.io/clusterroles": clusterRoleStrategy,
  "rbac.authorization.k8s.io/rolebindings": roleBindingStrategy,
  "rbac.authorization.k8s.io/roles": roleStrategy,
  "events.k8s.io/events": eventsEventStrategy,
};

export function strategyOf(group: string, plural: string): Strategy {
  return strategies[`${group}/${plural}`] ?? (group === "" ? coreStrategy : customResourceStrategy);
}
