// Which Provider a VirtualMachine runs on, or a StoragePool lies on. One rule, shared by all controllers.

import type { KubeObject, Provider } from "@vivarium/api";
import type { ProviderKey } from "./provider-registry.ts";

export type EffectiveProvider =
  /** Named by the object, or the only one there is. The object need not exist. */
  | { readonly kind: "found"; readonly key: ProviderKey }
  /** It names none, and its namespace has none. */
  | { readonly kind: "none" }
  /** It names none, and its namespace has several. */
  | { readonly kind: "ambiguous"; readonly names: readonly string[] };

/** An object that may name the Provider it belongs to. */
export interface ProviderUser extends KubeObject {
  readonly spec: { readonly providerRef?: { readonly name: string; readonly namespace?: string } };
}

/** `providers` may hold more than the object's namespace. */
export function effectiveProvider(user: ProviderUser, providers: readonly Provider[]): EffectiveProvider {
  const namespace = user.metadata.namespace ?? "";
  const ref = user.spec.providerRef;
  if (ref !== undefined) return { kind: "found", key: { namespace: ref.namespace ?? namespace, name: ref.name } };
  const names = providers.filter((each) => each.metadata.namespace === namespace).map((each) => each.metadata.name);
  const [name] = names;
  if (name === undefined) return { kind: "none" };
  return names.length === 1 ? { kind: "found", key: { namespace, name } } : { kind: "ambiguous", names: names.sort() };
}

export function isSameProvider(a: ProviderKey, b: ProviderKey): boolean {
  return a.namespace === b.namespace && a.name === b.name;
}
