// An object that stands for something on one Provider, adopted there or made: a pool, a network. Pure.

import type { Provider } from "@vivarium/api";
import { effectiveProvider, isSameProvider } from "../effective-provider.ts";
import type { ProviderUser } from "../effective-provider.ts";
import type { ProviderKey } from "../provider-registry.ts";

export interface PlacedObject extends ProviderUser {
  readonly status?: { readonly record?: Readonly<Record<string, unknown>> };
}

/** Where something was, or may have been, made: all that must be remembered across restarts. */
export function madeOnOf({ status }: PlacedObject): string | undefined {
  const madeOn = status?.record?.["madeOn"];
  return typeof madeOn === "string" ? madeOn : undefined;
}

/** Where it was made, else the Provider named, else the only one of its namespace. */
export function providerOfPlaced(object: PlacedObject, providers: readonly Provider[]): ProviderKey | undefined {
  const [namespace, name] = madeOnOf(object)?.split("/") ?? [];
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  const effective = effectiveProvider(object, providers);
  return effective.kind === "found" ? effective.key : undefined;
}

export function isPlacedOn(object: PlacedObject, key: ProviderKey, providers: readonly Provider[]): boolean {
  const found = providerOfPlaced(object, providers);
  return found !== undefined && isSameProvider(found, key);
}
