// The guard against filling a pool up: how much more may be promised to volumes, and how much must stay free. Pure.

import { humanSize as size } from "./human-size.ts";

export interface PoolSpace {
  readonly capacityBytes: number;
  readonly availableBytes: number;
  readonly provisionedBytes: number;
}

export interface PoolPolicy {
  readonly overcommitPercent: number;
  readonly minFreePercent: number;
}

/** What a volume wants: promised to its guest, and written at once. */
export interface SpaceWanted {
  readonly provisionBytes: number;
  readonly allocateBytes: number;
}

/** Why the pool cannot take it; undefined when it can. */
export function guardRefusal(space: PoolSpace, policy: PoolPolicy, wanted: SpaceWanted): string | undefined {
  const { capacityBytes, availableBytes, provisionedBytes } = space;
  const mostBytes = Math.floor((capacityBytes * policy.overcommitPercent) / 100);
  const promisedBytes = provisionedBytes + wanted.provisionBytes;
  if (promisedBytes > mostBytes) {
    return `volumes would be promised ${size(promisedBytes)} of at most ${size(mostBytes)} (${policy.overcommitPercent} % of ${size(capacityBytes)}, spec.policy.overcommitPercent)`;
  }
  const leastBytes = leastFreeBytes(space, policy);
  const leftBytes = availableBytes - wanted.allocateBytes;
  if (leftBytes < leastBytes) {
    return `${size(Math.max(leftBytes, 0))} would be left free of at least ${size(leastBytes)} (${policy.minFreePercent} % of ${size(capacityBytes)}, spec.policy.minFreePercent)`;
  }
  return undefined;
}

/** Why the pool is low; undefined when it is not. */
export function lowCapacity(space: PoolSpace, policy: PoolPolicy): string | undefined {
  return guardRefusal(space, policy, { provisionBytes: 0, allocateBytes: 0 })?.replaceAll("would be", "are");
}

function leastFreeBytes({ capacityBytes }: PoolSpace, { minFreePercent }: PoolPolicy): number {
  return Math.ceil((capacityBytes * minFreePercent) / 100);
}
