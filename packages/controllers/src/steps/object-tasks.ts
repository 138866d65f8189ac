// Long work for objects of one kind, one run for each at a time: what a controller starts in one reconcile and sees the end of in a later
// one. News of it ask for a look at the object; none outlives the controller.

import type { Clock, ReconcileRequest, RequestSource } from "@vivarium/runtime";
import { BackgroundTasks } from "../background-tasks.ts";
import type { TaskState, TaskWork } from "../background-tasks.ts";

export class ObjectTasks<Result, Progress> {
  readonly #tasks: BackgroundTasks<Result, Progress>;
  #wake: (request: ReconcileRequest) => void = () => undefined;

  constructor(clock: Clock) {
    this.#tasks = new BackgroundTasks({ clock, onChange: (key) => this.#wake(requestOfKey(key)) });
  }

  /** To be among the sources of the controller. */
  readonly source: RequestSource = (enqueue, { signal }) => {
    this.#wake = enqueue;
    signal.addEventListener("abort", () => void this.#tasks.stopAll(), { once: true });
  };

  state(request: ReconcileRequest): TaskState<Result, Progress> {
    return this.#tasks.state(keyOf(request));
  }

  /** Starts it unless it runs. The time-out is an error like others. */
  start(
    request: ReconcileRequest,
    work: TaskWork<Result, Progress>,
    limit: { readonly timeoutMs: number; readonly timeoutError: Error },
  ): void {
    this.#tasks.start(keyOf(request), work, limit);
  }

  /** Aborts it where it runs, waits for its end, and forgets it. */
  async stop(request: ReconcileRequest): Promise<void> {
    await this.#tasks.stop(keyOf(request));
  }
}

function keyOf({ namespace, name }: ReconcileRequest): string {
  return `${namespace}/${name}`;
}

function requestOfKey(key: string): ReconcileRequest {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}
