// Counts what is in a namespace and writes it into the namespace's quotas. What is set aside counts too, so a recount between the decision
// about a write and the write itself gives nothing away.

import type { Resource } from "../resource.ts";
import { distinctKinds } from "../resource-registry.ts";
import type { ServerState } from "../server-state.ts";
import { decodeStored } from "../stored-object.ts";
import { countOf, type Amount } from "./amount.ts";
import { countNamesOf } from "./quota-names.ts";
import type { QuotaLedger, Reservation } from "./quota-ledger.ts";
import { limitedNames, readQuota, underQuotaNames, withUsed } from "./stored-quota.ts";
import { addAll, type Amounts, type UsageTable } from "./usage.ts";

export interface QuotaParts {
  readonly state: ServerState;
  /** The ResourceQuota kind. */
  readonly resource: Resource;
  readonly usage: UsageTable;
  readonly ledger: QuotaLedger;
}

/** `mayLower`: whether counts may go down; not while another server may have decided about writes that are still on their way. */
export async function recount(
  parts: QuotaParts,
  namespace: string,
  { mayLower }: { readonly mayLower: boolean },
): Promise<{ readonly isComplete: boolean }> {
  const { state, resource, ledger } = parts;
  // In this order: a decision that is made after the quotas are read makes their writing fail, one before it is in the ledger or ended.
  const quotas = (await state.store.list(resource.keyPrefix(namespace))).items.map((kv) => readQuota(kv, resource));
  if (quotas.length === 0) return { isComplete: true };
  const pending = ledger.pending(namespace);
  const wanted = new Set(quotas.flatMap((quota) => [...limitedNames(quota)]));
  const found = await count(parts, { namespace, wanted, pending });
  let isComplete = true;
  for (const quota of quotas) {
    const used = underQuotaNames(quota, found);
    const isLower = [...quota.used].some(([name, amount]) => (used.get(name)?.milli ?? 0n) < amount.milli);
    if (isLower && !mayLower) {
      isComplete = false;
      continue;
    }
    const bytes = withUsed(quota, used, resource);
    if (bytes === undefined) continue;
    const { written } = await state.store.put(quota.key, bytes, { expected: quota.modRevision });
    isComplete &&= written;
  }
  return { isComplete };
}

async function count(
  { state, usage }: QuotaParts,
  {
    namespace,
    wanted,
    pending,
  }: {
    readonly namespace: string;
    readonly wanted: ReadonlySet<string>;
    readonly pending: readonly Reservation[];
  },
): Promise<Amounts> {
  const total = new Map<string, Amount>();
  const waiting = new Map(pending.map((each) => [each.key, each.usage]));
  for (const resource of distinctKinds(state.registry)) {
    if (!resource.namespaced || !usage.namesOf(resource).some((name) => wanted.has(name))) continue;
    const { items } = await state.store.list(resource.keyPrefix(namespace));
    const isCounted = usage.isCounted(resource, wanted);
    for (const item of items) {
      const object = isCounted ? undefined : decodeStored(item, resource);
      const own =
        object === undefined
          ? new Map(countNamesOf(resource).map((name) => [name, countOf(1)]))
          : await usage.usageOf(state, resource, { object, wanted });
      const reserved = waiting.get(item.key);
      waiting.delete(item.key);
      addAll(total, reserved === undefined ? own : larger(own, reserved));
    }
  }
  for (const reserved of waiting.values()) addAll(total, reserved);
  return total;
}

/** An object that is being changed takes what it took or what it will take, whichever is more. */
function larger(a: Amounts, b: Amounts): Amounts {
  const result = new Map(a);
  for (const [name, amount] of b) if (amount.milli > (a.get(name)?.milli ?? 0n)) result.set(name, amount);
  return result;
}
