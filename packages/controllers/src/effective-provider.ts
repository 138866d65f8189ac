// Which Provider a VirtualMachine runs on. One rule, shared by all controllers.

import type { Provider, VirtualMachine } from "@vivarium/api";
import type { ProviderKey } from "./provider-registry.ts";

export type EffectiveProvider =
  /** Named by the machine, or the only one there is. The object need not exist. */
  | { readonly kind: "found"; readonly key: ProviderKey }
  /** The machine names none, and its namespace has none. */
  | { readonly kind: "none" }
  /** The machine names none, and its namespace has several. */
  | { readonly kind: "ambiguous"; readonly names: readonly string[] };

/** `providers` may hold more than the machine's namespace. */
export function effectiveProvider(vm: VirtualMachine, providers: readonly Provider[]): EffectiveProvider {
  const namespace = vm.metadata.namespace ?? "";
  const ref = vm.spec.providerRef;
  if (ref !== undefined) return { kind: "found", key: { namespace: ref.namespace ?? namespace, name: ref.name } };
  const names = providers.filter((each) => each.metadata.namespace === namespace).map((each) => each.metadata.name);
  const [name] = names;
  if (name === undefined) return { kind: "none" };
  return names.length === 1 ? { kind: "found", key: { namespace, name } } : { kind: "ambiguous", names: names.sort() };
}

export function isSameProvider(a: ProviderKey, b: ProviderKey): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}
