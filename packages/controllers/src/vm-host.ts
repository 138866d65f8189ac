// Which host of its Provider a VirtualMachine is on. One rule, shared by all controllers. Pure.

import type { Provider, VirtualMachine } from "@vivarium/api";
import { hostsOf } from "./provider-config.ts";
import type { ProviderKey } from "./provider-registry.ts";
import { readRecord } from "./virtual-machine/status/stored-record.ts";

/**
 * The host that it is bound to, else the only one that there is; undefined while it is to be chosen. What was made when the Provider had
 * one endpoint is on the host of the Provider's name.
 */
export function hostOfVm(vm: VirtualMachine, provider: Provider): string | undefined {
  const { status } = vm;
  if (status?.host !== undefined) return status.host;
  if (status?.provider?.["madeOn"] !== undefined) return provider.metadata.name;
  const [first, ...rest] = hostsOf(provider);
  return rest.length === 0 ? first?.name : undefined;
}

/**
 * Of a Provider with one host nobody has to name it. Undefined while the host is to be chosen. A host that the Provider has no more is named
 * all the same, so that nobody looks on another one for what is there.
 */
export function connectionOfVm(vm: VirtualMachine, provider: Provider): ProviderKey | undefined {
  const key = { namespace: provider.metadata.namespace ?? "", name: provider.metadata.name };
  const host = hostOfVm(vm, provider);
  if (host === undefined) return undefined;
  return isOnlyHost(provider, host) ? key : { ...key, host };
}

/** Where a machine lies that has been made; undefined before that, and while its Provider does not exist. */
export function connectionOfMade(
  vm: VirtualMachine,
  providerOf: (key: ProviderKey) => Provider | undefined,
): ProviderKey | undefined {
  const key = madeOnOf(vm);
  const provider = key && providerOf(key);
  return provider && connectionOfVm(vm, provider);
}

/** The Provider that a machine was made on. */
export function madeOnOf(vm: VirtualMachine): ProviderKey | undefined {
  const { madeOn } = readRecord(vm.status);
  if (madeOn === undefined) return undefined;
  const [namespace = "", name = ""] = madeOn.split("/");
  return { namespace, name };
}

export function hasSeveralHosts(provider: Provider): boolean {
  return hostsOf(provider).length > 1;
}

export function isOnlyHost(provider: Provider, host: string): boolean {
  const [first, ...rest] = hostsOf(provider);
  return rest.length === 0 && first?.name === host;
}
