// In which order objects of one command are deleted. What a VM needs to be taken apart goes after it, and the way to the hypervisor goes after
// all that has something there: images, too, have copies on it.

import { Host, Namespace, Provider, Secret, VirtualMachine } from "@vivarium/api";
import type { KindDefinition } from "@vivarium/api";

const ways: readonly string[] = [Provider.kind, Host.kind, Secret.kind, Namespace.kind];

/** Groups of targets, in their order within each: one group is gone before the next is asked to go. */
export function deletionTurns<T extends { readonly kind: Pick<KindDefinition, "kind"> }>(
  targets: readonly T[],
): readonly (readonly T[])[] {
  return [0, 1, 2].map((turn) => targets.filter(({ kind }) => turnOf(kind.kind) === turn));
}

function turnOf(kind: string): number {
  if (kind === VirtualMachine.kind) return 0;
  return ways.includes(kind) ? 2 : 1;
}
