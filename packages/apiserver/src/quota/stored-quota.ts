// A ResourceQuota as the arithmetic sees it.

import type { KeyValue } from "@vivarium/store";
import type { Resource } from "../resource.ts";
import { decodeStored, encodeStored, type ApiObject } from "../stored-object.ts";
import { formatAmount, parseAmount, zero, type Amount } from "./amount.ts";
import { canonicalName } from "./quota-names.ts";
import type { Amounts } from "./usage.ts";

export interface StoredQuota {
  readonly key: string;
  readonly name: string;
  readonly modRevision: number;
  readonly object: ApiObject;
  /** By the name in the quota, which may be a short one. */
  readonly hard: Amounts;
  readonly used: Amounts;
  /** Whether everything that it limits has been counted. */
  readonly isCounted: boolean;
}

export function readQuota(kv: KeyValue, resource: Resource): StoredQuota {
  const object = decodeStored(kv, resource);
  const spec = (object["spec"] ?? {}) as { hard?: Readonly<Record<string, unknown>> };
  const status = (object["status"] ?? {}) as { used?: Readonly<Record<string, unknown>> };
  const hard = amountsOf(spec.hard);
  const used = amountsOf(status.used);
  return {
    key: kv.key,
    name: object.metadata.name,
    modRevision: kv.modRevision,
    object,
    hard,
    used,
    isCounted: [...hard.keys()].every((name) => used.has(name)),
  };
}

/** The quota's bytes with what is used; undefined when it says so already. */
export function withUsed(quota: StoredQuota, used: Amounts, resource: Resource): Uint8Array | undefined {
  const status = {
    hard: writtenOf(quota.hard, quota.hard),
    used: writtenOf(quota.hard, used),
  };
  if (JSON.stringify(quota.object["status"]) === JSON.stringify(status)) return undefined;
  return encodeStored({ ...quota.object, status }, resource);
}

/** The canonical names that a quota limits. */
export function limitedNames(quota: StoredQuota): ReadonlySet<string> {
  return new Set([...quota.hard.keys()].map(canonicalName));
}

/** Amounts under canonical names, as the names of the quota. */
export function underQuotaNames(quota: StoredQuota, amounts: Amounts): Amounts {
  return new Map(
    [...quota.hard.keys()].flatMap((name) => {
      const amount = amounts.get(canonicalName(name));
      return amount === undefined ? [] : [[name, amount] as const];
    }),
  );
}

/** `configmaps=1,requests.memory=4Gi`, as refusals say it. */
export function shownAmounts(names: readonly string[], amounts: Amounts): string {
  return names
    .toSorted()
    .map((name) => `${name}=${formatAmount(amounts.get(name) ?? zero)}`)
    .join(",");
}

function amountsOf(quantities: Readonly<Record<string, unknown>> | undefined): Amounts {
  const amounts = new Map<string, Amount>();
  for (const [name, quantity] of Object.entries(quantities ?? {})) {
    const amount = parseAmount(quantity);
    if (amount !== undefined) amounts.set(name, amount);
  }
  return amounts;
}

function writtenOf(hard: Amounts, amounts: Amounts): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...hard.keys()].toSorted().map((name) => [name, formatAmount(amounts.get(name) ?? zero)] as const),
  );
}
