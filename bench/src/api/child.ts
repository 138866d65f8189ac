// A process of the benchmark that answers questions: server and load generators run apart, so that each one's share of the processors can
// be told.

import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";

/** What a child process does: by name, one argument in, one JSON value out. */
export type Tasks = Readonly<Record<string, (input: never) => unknown>>;

type Input<T extends Tasks, K extends keyof T> = Parameters<T[K]>;
type Output<T extends Tasks, K extends keyof T> = Awaited<ReturnType<T[K]>>;

interface Question {
  readonly task: string;
  readonly input: unknown;
}

type Answer = { readonly value: unknown } | { readonly error: string };

export class Child<T extends Tasks> {
  readonly #process: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#ended = once(process, "exit").then(() => {
      throw new Error("The process ended before it answered");
    });
    this.#ended.catch(() => undefined);
  }

  /** `module`: a file that calls `serveTasks`. */
  static start<T extends Tasks>(
    module: URL,
    options: {
      readonly nodeOptions?: readonly string[];
      readonly environment?: Readonly<Record<string, string>>;
    } = {},
  ): Child<T> {
    const execArgv = ["--expose-gc", ...(options.nodeOptions ?? [])];
    return new Child(fork(module, { execArgv, env: { ...process.env, ...options.environment } }));
  }

  async ask<K extends keyof T & string>(task: K, ...[input]: Input<T, K>): Promise<Output<T, K>> {
    const answered = once(this.#process, "message", { signal: AbortSignal.timeout(120_000) });
    this.#process.send({ task, input } satisfies Question);
    const [answer] = (await Promise.race([answered, this.#ended])) as [Answer];
    if ("error" in answer) throw new Error(`"${task}" failed: ${answer.error}`);
    return answer.value as Output<T, K>;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.disconnect();
    await ended;
  }
}

/** In the child: answers one question after the other until the parent goes. */
export function serveTasks(tasks: Tasks, onEnd?: () => Promise<void>): void {
  process.on("message", (question: Question) => {
    void answer(tasks, question).then((value) => process.send?.(value));
  });
  process.on("disconnect", () => {
    void (onEnd?.() ?? Promise.resolve()).finally(() => process.exit(0));
  });
}

async function answer(tasks: Tasks, { task, input }: Question): Promise<Answer> {
  try {
    const run = tasks[task] as ((input: unknown) => unknown) | undefined;
    if (run === undefined) throw new Error("no such task");
    return { value: await run(input) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
