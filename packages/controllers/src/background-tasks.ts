// Long work that outlives a reconcile: a download, an upload. A reconcile starts it and returns; each change of its state asks for another
// look, reports of progress at most once a second. One run per key at a time.

import type { Clock } from "@vivarium/runtime";

export type TaskState<Result, Progress> =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly startedMs: number; readonly progress?: Progress }
  | { readonly kind: "done"; readonly result: Result }
  /** `failures` counts those in a row. */
  | { readonly kind: "failed"; readonly error: unknown; readonly failures: number; readonly failedMs: number };

export type TaskWork<Result, Progress> = (options: {
  readonly signal: AbortSignal;
  readonly report: (progress: Progress) => void;
}) => Promise<Result>;

interface Task<Result, Progress> {
  state: TaskState<Result, Progress>;
  readonly abort: AbortController;
  toldMs: number;
  ended: Promise<void>;
}

const tellEveryMs = 1_000;

export class BackgroundTasks<Result, Progress> {
  readonly #clock: Clock;
  readonly #onChange: (key: string) => void;
  readonly #tasks = new Map<string, Task<Result, Progress>>();

  constructor(options: { readonly clock: Clock; readonly onChange: (key: string) => void }) {
    this.#clock = options.clock;
    this.#onChange = options.onChange;
  }

  state(key: string): TaskState<Result, Progress> {
    return this.#tasks.get(key)?.state ?? { kind: "none" };
  }

  keys(): readonly string[] {
    return [...this.#tasks.keys()];
  }

  /** Starts it unless it runs. The time-out is an error like others. */
  start(
    key: string,
    work: TaskWork<Result, Progress>,
    options: { readonly timeoutMs: number; readonly timeoutError: Error },
  ): void {
    const old = this.#tasks.get(key);
    if (old?.state.kind === "running") return;
    const failures = old?.state.kind === "failed" ? old.state.failures : 0;
    const startedMs = this.#clock.now();
    const task: Task<Result, Progress> = {
      state: { kind: "running", startedMs },
      abort: new AbortController(),
      toldMs: startedMs,
      ended: Promise.resolve(),
    };
    this.#tasks.set(key, task);
    task.ended = this.#run(key, task, { work, startedMs, failures, ...options });
  }

  /** Aborts it where it runs, waits for its end, and forgets it. */
  async stop(key: string): Promise<void> {
    const task = this.#tasks.get(key);
    if (task === undefined) return;
    this.#tasks.delete(key);
    task.abort.abort(new Error("Not wanted any more"));
    await task.ended;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.keys().map((key) => this.stop(key)));
  }

  async #run(
    key: string,
    task: Task<Result, Progress>,
    options: {
      readonly work: TaskWork<Result, Progress>;
      readonly startedMs: number;
      readonly failures: number;
      readonly timeoutMs: number;
      readonly timeoutError: Error;
    },
  ): Promise<void> {
    const { startedMs } = options;
    const ended = new AbortController();
    const timeout = new AbortController();
    this.#clock.delay(options.timeoutMs, { signal: ended.signal }).then(
      () => timeout.abort(options.timeoutError),
      () => {}, // It ended first.
    );
    const report = (progress: Progress): void => {
      if (task.state.kind !== "running") return;
      task.state = { kind: "running", startedMs, progress };
      const now = this.#clock.now();
      if (now - task.toldMs < tellEveryMs) return;
      task.toldMs = now;
      this.#onChange(key);
    };
    try {
      const signal = AbortSignal.any([task.abort.signal, timeout.signal]);
      const result = await options.work({ signal, report });
      task.state = { kind: "done", result };
    } catch (thrown) {
      const error: unknown = timeout.signal.aborted ? options.timeoutError : thrown;
      task.state = { kind: "failed", error, failures: options.failures + 1, failedMs: this.#clock.now() };
    } finally {
      ended.abort();
    }
    if (!task.abort.signal.aborted) this.#onChange(key);
  }
}
