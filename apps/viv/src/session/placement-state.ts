// What the scheduler of the server goes by, read through the API: so that a command gives the verdicts that the server would.

import {
  formatKey,
  Host,
  Namespace,
  Provider,
  VirtualMachine,
  VMClass,
  VMPlacementPolicy,
  type KubeObject,
  type ResourceType,
} from "@vivarium/api";
import { Placer } from "@vivarium/controllers";
import type { Session } from "./connect.ts";

export interface PlacementState {
  readonly placer: Placer;
  readonly machines: readonly VirtualMachine[];
  readonly hosts: readonly Host[];
  readonly providers: readonly Provider[];
}

export async function readPlacementState({ client }: Session, signal: AbortSignal): Promise<PlacementState> {
  const listOf = async <T extends KubeObject>(type: ResourceType<T>): Promise<readonly T[]> =>
    (await client.list(type, { signal })).items;
  const [machines, hosts, providers, classes, policies, namespaces] = await Promise.all([
    listOf(VirtualMachine),
    listOf(Host),
    listOf(Provider),
    listOf(VMClass),
    listOf(VMPlacementPolicy),
    listOf(Namespace),
  ]);
  const [host, provider, vmClass, policy] = [byKey(hosts), byKey(providers), byKey(classes), byKey(policies)];
  const labels = new Map(namespaces.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
  const placer = new Placer({
    providers: () => providers,
    provider,
    host,
    vmClass,
    policy,
    namespaceLabels: (name) => labels.get(name) ?? {},
  });
  for (const vm of machines) placer.ledger.set(vm);
  return { placer, machines, hosts, providers };
}

function byKey<T extends KubeObject>(
  objects: readonly T[],
): (key: { readonly namespace: string; readonly name: string }) => T | undefined {
  const map = new Map(objects.map((each) => [formatKey(each.metadata), each]));
  return (key) => map.get(formatKey(key));
}
