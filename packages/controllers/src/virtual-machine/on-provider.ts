// Whether a VM is, or would be made, on a Provider. Pure.

import { formatKey } from "@vivarium/api";
import type { Provider, VirtualMachine } from "@vivarium/api";
import { effectiveProvider, isSameProvider } from "../effective-provider.ts";
import type { ProviderKey } from "../provider-registry.ts";
import { readRecord } from "./status/stored-record.ts";

export function isOnProvider(vm: VirtualMachine, key: ProviderKey, providers: readonly Provider[]): boolean {
  const { madeOn } = readRecord(vm.status);
  if (madeOn !== undefined) return madeOn === formatKey(key);
  const effective = effectiveProvider(vm, providers);
  return effective.kind === "found" && isSameProvider(effective.key, key);
}
