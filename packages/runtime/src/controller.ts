// The whole reconcile contract. A request has only a name: the controller reads the object and observes the world itself, so that
// a request may come late, twice, or for no reason, and nothing goes wrong.

import type { KubeObject, ResourceType } from "@vivarium/api";
import type { Client } from "@vivarium/client";
import type { Logger } from "pino";

export interface ReconcileRequest {
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
}

/**
 * What comes next: nothing until something changes (undefined), or another look after a while. A thrown error is retried with
 * exponential back-off; a TerminalError is logged and not retried.
 */
export type ReconcileResult = { readonly requeueAfterMs: number } | undefined;

export interface ReconcileContext {
  /** Aborted when the manager stops. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Errors in a row for this request before this call. */
  readonly failures: number;
}

/** Objects of another kind whose changes concern this controller's objects. */
export interface RelatedWatch<T extends KubeObject = KubeObject> {
  readonly type: ResourceType<T>;
  readonly requests: (object: T) => readonly ReconcileRequest[];
  /** What of the object matters: a change that leaves it as it was asks for nothing. */
  readonly factsOf?: (object: T) => unknown;
}

/** For `Controller.related`, whose entries each have their own type of object. */
export function related<T extends KubeObject>(
  type: ResourceType<T>,
  requests: (object: T) => readonly ReconcileRequest[],
  options: { readonly factsOf?: (object: T) => unknown } = {},
): RelatedWatch<never> {
  return { type, requests, ...options } as unknown as RelatedWatch<never>;
}

/** Something outside the API that asks for a look, for example hypervisor events. */
export type RequestSource = (
  enqueue: (request: ReconcileRequest) => void,
  options: { readonly signal: AbortSignal },
) => void;

/**
 * Declares what wakes a controller. A change of `status` alone of its own objects wakes nobody (else each write of "next try at …" would
 * cause the next try): a controller that wants to go on after writing its status says so with `requeueAfterMs: 0`.
 */
export interface Controller {
  /** Kebab-case, the same word as the file: `virtual-machine`. */
  readonly name: string;
  readonly for: ResourceType;
  readonly related?: readonly RelatedWatch<never>[];
  readonly sources?: readonly RequestSource[];
  /** How many different objects at once; one object is never reconciled twice at a time. Default 4. */
  readonly concurrency?: number;
  reconcile(request: ReconcileRequest, context: ReconcileContext): Promise<ReconcileResult>;
}

/** An error that trying again cannot cure. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}

/** The objects of a cache that have a key. */
export interface CacheIndex<T extends KubeObject> {
  of(key: string): readonly T[];
  count(key: string): number;
}

/**
 * A local, watch-fed copy of all objects of one kind. May lag behind what others write; never shows half a change, never goes back,
 * and shows what this process wrote through `Manager.client` at once. Its objects are frozen: copy to change.
 */
export interface Cache<T extends KubeObject> {
  get(request: ReconcileRequest): T | undefined;
  list(options?: { readonly namespace?: string }): readonly T[];
  /** Kept up to date from now on. `keysOf` reads nothing but the object. */
  index(keysOf: (object: T) => readonly string[]): CacheIndex<T>;
  /** Gives it an object that this process has just written, without waiting for the watch. Older ones are ignored. */
  observe(object: T): void;
  /** Told of each change, the first list included, before any controller hears of it that is added later. */
  onChange(listener: (change: CacheChange<T>) => void): void;
}

export type CacheChange<T extends KubeObject> =
  | { readonly kind: "set"; readonly object: T; readonly previous?: T }
  | { readonly kind: "deleted"; readonly previous: T };

/** Writes core/v1 Events; repeats of the same event are counted in one object. Never throws, never waits. */
export interface EventRecorder {
  record(
    about: KubeObject,
    event: { readonly type: "Normal" | "Warning"; readonly reason: string; readonly message: string },
  ): void;
}

/** Runs controllers over shared caches. */
export interface Manager {
  /** Writes through it are in the caches when they return. */
  readonly client: Client;
  readonly recorder: EventRecorder;
  /** One cache a kind, shared by all. Filled before the first reconcile. */
  cache<T extends KubeObject>(type: ResourceType<T>): Cache<T>;
  /** Before `run`. */
  add(controller: Controller): void;
  /** Until the signal aborts; then waits for the reconciles under way, which see the same signal. */
  run(options: { readonly signal: AbortSignal }): Promise<void>;
}
