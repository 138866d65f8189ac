// What an object takes of each name that a quota can limit: itself, counted, and what its kind's evaluator measures.

import type { ResourceRegistry } from "../resource-registry.ts";
import type { Resource } from "../resource.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored, type ApiObject } from "../stored-object.ts";
import { add, countOf, parseAmount, zero, type Amount } from "./amount.ts";
import { countNamesOf } from "./quota-names.ts";
import type { ReadObject, UsageEvaluator } from "./usage-evaluator.ts";

export type Amounts = ReadonlyMap<string, Amount>;

export class UsageTable {
  readonly #evaluators: ReadonlyMap<string, UsageEvaluator>;

  constructor(evaluators: readonly UsageEvaluator[]) {
    this.#evaluators = new Map(evaluators.map((each) => [`${each.plural}.${each.group}`, each]));
  }

  /** Every name that objects of the kind take something of. */
  namesOf(resource: Resource): readonly string[] {
    return [...countNamesOf(resource), ...(this.#evaluatorOf(resource)?.names ?? [])];
  }

  /** Only of the wanted names; one that is wanted but cannot be told is missing. */
  async usageOf(
    state: Pick<ServerState, "store" | "registry">,
    resource: Resource,
    { object, wanted }: { readonly object: ApiObject; readonly wanted: ReadonlySet<string> },
  ): Promise<Amounts> {
    const usage = new Map<string, Amount>();
    for (const name of countNamesOf(resource)) if (wanted.has(name)) usage.set(name, countOf(1));
    const evaluator = this.#evaluatorOf(resource);
    if (evaluator === undefined || !evaluator.names.some((name) => wanted.has(name))) return usage;
    const measured = await evaluator.usageOf(object, readerOf(state));
    for (const [name, quantity] of Object.entries(measured)) {
      const amount = parseAmount(quantity);
      if (wanted.has(name) && amount !== undefined) usage.set(name, amount);
    }
    return usage;
  }

  /** Whether only objects are counted, so that their contents need not be read. */
  isCounted(resource: Resource, wanted: ReadonlySet<string>): boolean {
    return !(this.#evaluatorOf(resource)?.names ?? []).some((name) => wanted.has(name));
  }

  #evaluatorOf(resource: Resource): UsageEvaluator | undefined {
    return this.#evaluators.get(`${resource.plural}.${resource.group}`);
  }
}

export function addAll(total: Map<string, Amount>, more: Amounts): void {
  for (const [name, amount] of more) total.set(name, add(total.get(name) ?? zero, amount));
}

function readerOf({ store, registry }: Pick<ServerState, "store" | "registry">): ReadObject {
  return async ({ group, plural, namespace, name }) => {
    const resource = storedResource(registry, group, plural);
    if (resource === undefined) return undefined;
    const found = await store.get(resource.keyOf(namespace, name));
    return found === undefined ? undefined : decodeStored(found, resource);
  };
}

function storedResource(registry: ResourceRegistry, group: string, plural: string): Resource | undefined {
  return registry.stored().find((each) => each.group === group && each.plural === plural);
}
