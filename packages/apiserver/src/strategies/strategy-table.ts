// Which kinds have behaviour of their own, by group and plural.

import { configMapStrategy } from "./config-map.ts";
import { definitionStrategy } from "./custom-resource-definition.ts";
import { eventStrategy } from "./event.ts";
import { namespaceStrategy } from "./namespace.ts";
import { secretStrategy } from "./secret.ts";
import { coreStrategy, customResourceStrategy, type Strategy } from "./strategy.ts";

const strategies: Readonly<Record<string, Strategy>> = {
  "/configmaps": configMapStrategy,
  "apiextensions.k8s.io/customresourcedefinitions": definitionStrategy,
  "coordination.k8s.io/leases": coreStrategy,
  "/events": eventStrategy,
  "/namespaces": namespaceStrategy,
  "/secrets": secretStrategy,
};

export function strategyOf(group: string, plural: string): Strategy {
  return strategies[`${group}/${plural}`] ?? (group === "" ? coreStrategy : customResourceStrategy);
}
