// Work that the server does by itself, beside answering requests: collecting what nobody owns any more, emptying deleted namespaces.
// Of several servers on one store only the leader runs the tasks. Each goes on from what is stored, so it may end and begin anywhere.

import type { ApiHandler } from "@vivarium/api";
import type { ServerState } from "../server-state.ts";

export interface TaskContext {
  readonly state: ServerState;
  /** The server's own API: what a task writes goes the way of every request, and shows in the audit log. */
  readonly handle: ApiHandler;
  /** Aborted when the server closes or is no longer the leader. */
  readonly signal: AbortSignal;
}

export interface ServerTask {
  readonly name: string;
  /** Resolves soon after the signal aborts. Does not reject: a failure is retried within. */
  run(context: TaskContext): Promise<void>;
}
