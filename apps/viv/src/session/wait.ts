// Waiting for an object to become what was asked for: until it is, until the time is over, or until the user detaches.

import type { KubeObject, ObjectKey, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import { followObject } from "./follow-object.ts";
import { DetachedError } from "./interrupt.ts";

export type WaitResult<T> =
  | { readonly kind: "done"; readonly object: T | undefined }
  /** `isKnown` is false when the server never said anything. */
  | { readonly kind: "timeout" | "detached"; readonly object: T | undefined; readonly isKnown: boolean };

export interface WaitOptions<T> {
  /** True when the wait is over; undefined stands for "does not exist". */
  readonly until: (object: T | undefined) => boolean;
  readonly timeoutMs: number;
  /** The user's; aborted with a DetachedError. */
  readonly signal: AbortSignal;
  readonly onChange?: (object: T | undefined) => void;
  readonly onTrouble?: (error: Error) => void;
}

export async function waitForObject<T extends KubeObject>(
  client: Client,
  target: { readonly type: ResourceType<T>; readonly key: ObjectKey },
  options: WaitOptions<T>,
): Promise<WaitResult<T>> {
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const end = new AbortController();
  const signal = AbortSignal.any([deadline, options.signal, end.signal]);
  let last: T | undefined;
  let isKnown = false;
  try {
    const follow = { signal, ...(options.onTrouble === undefined ? {} : { onTrouble: options.onTrouble }) };
    for await (const object of followObject(client, target, follow)) {
      last = object;
      isKnown = true;
      options.onChange?.(object);
      if (options.until(object)) return { kind: "done", object };
    }
  } finally {
    end.abort();
  }
  return { kind: options.signal.reason instanceof DetachedError ? "detached" : "timeout", object: last, isKnown };
}
