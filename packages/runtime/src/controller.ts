// The whole reconcile contract. A request has only a name: the controller reads the object and observes the world itself, so that
// a request may come late, twice, or for no reason, and nothing goes wrong.

import type { KubeObject, ResourceType } from "@vivarium/api";
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
}

/** Something outside the API that asks for a look, for example hypervisor events. */
export type RequestSource = (
  enqueue: (request: ReconcileRequest) => void,
  options: { readonly signal: AbortSignal },
) => void;

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

/** A local, watch-fed copy of all objects of one kind. May lag behind the server; never shows half a change. */
export interface Cache<T extends KubeObject> {
  get(request: ReconcileRequest): T | undefined;
  list(options?: { readonly namespace?: string }): readonly T[];
}

/** Writes core/v1 Events; repeats of the same event are counted in one object. Never throws, never waits. */
export interface EventRecorder {
  record(
    about: KubeObject,
    event: { readonly type: "Normal" | "Warning"; readonly reason: string; readonly message: string },
  ): void;
}
