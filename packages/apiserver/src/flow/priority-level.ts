// So many requests at once, and who waits for a turn. Each flow has a queue of its own, and the next turn goes to the flow that has the
// fewest requests running: one client that asks for everything at once cannot keep the others out. What does not fit is refused with
// 429 before its body is read, so that overload costs neither memory nor a write.

import { StatusError } from "@vivarium/api";

export interface FlowLimits {
  /** Requests that run at once. */
  readonly maxExecuting: number;
  /** Requests of one flow that wait. */
  readonly maxQueuedPerFlow: number;
  /** Requests of all flows that wait. */
  readonly maxQueued: number;
  /** A request that waited for so long is refused. */
  readonly maxWaitMs: number;
}

/** Gives the turn back; more than once is once. */
export type Release = () => void;

export type RejectReason = "queue-full" | "time-out";

interface Waiter {
  start(): void;
}

interface Flow {
  executing: number;
  readonly queue: Waiter[];
}

export class PriorityLevel {
  readonly name: string;
  readonly #limits: FlowLimits;
  readonly #onReject: (reason: RejectReason) => void;
  /** Only those that run or wait; who was served last comes last. */
  readonly #flows = new Map<string, Flow>();
  #executing = 0;
  #waiting = 0;

  constructor(name: string, options: { limits: FlowLimits; onReject: (reason: RejectReason) => void }) {
    this.name = name;
    this.#limits = options.limits;
    this.#onReject = options.onReject;
  }

  get executing(): number {
    return this.#executing;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** At once where there is room. Throws, or rejects, with TooManyRequests; rejects with the signal's reason when it aborts. */
  admit(flowName: string, gone: () => AbortSignal): Release | Promise<Release> {
    const flow = this.#flowOf(flowName);
    if (this.#waiting === 0 && this.#executing < this.#limits.maxExecuting) return this.#start(flowName, flow);
    if (flow.queue.length >= this.#limits.maxQueuedPerFlow || this.#waiting >= this.#limits.maxQueued) {
      this.#forget(flowName, flow);
      throw this.#tooMany("queue-full");
    }
    return this.#wait(flowName, flow, gone());
  }

  #wait(flowName: string, flow: Flow, signal: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      const leave = (error: unknown): void => {
        flow.queue.splice(flow.queue.indexOf(waiter), 1);
        done();
        this.#forget(flowName, flow);
        reject(error);
      };
      const leaveOnAbort = (): void => leave(signal.reason);
      const timer = setTimeout(() => leave(this.#tooMany("time-out")), this.#limits.maxWaitMs).unref();
      const done = (): void => {
        this.#waiting--;
        clearTimeout(timer);
        signal.removeEventListener("abort", leaveOnAbort);
      };
      const waiter: Waiter = {
        start: () => {
          done();
          resolve(this.#start(flowName, flow));
        },
      };
      this.#waiting++;
      flow.queue.push(waiter);
      signal.addEventListener("abort", leaveOnAbort, { once: true });
      if (signal.aborted) leaveOnAbort();
    });
  }

  #start(flowName: string, flow: Flow): Release {
    this.#executing++;
    flow.executing++;
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      this.#executing--;
      flow.executing--;
      this.#forget(flowName, flow);
      if (this.#waiting > 0) this.#startNext();
    };
  }

  #startNext(): void {
    let chosen: [string, Flow] | undefined;
    for (const entry of this.#flows) {
      const [, flow] = entry;
      if (flow.queue.length > 0 && flow.executing < (chosen?.[1].executing ?? Infinity)) chosen = entry;
    }
    if (chosen === undefined) return;
    const [name, flow] = chosen;
    this.#flows.delete(name);
    this.#flows.set(name, flow);
    flow.queue.shift()?.start();
  }

  #flowOf(name: string): Flow {
    const known = this.#flows.get(name);
    if (known !== undefined) return known;
    const flow: Flow = { executing: 0, queue: [] };
    this.#flows.set(name, flow);
    return flow;
  }

  #forget(name: string, flow: Flow): void {
    if (flow.executing === 0 && flow.queue.length === 0) this.#flows.delete(name);
  }

  #tooMany(reason: RejectReason): StatusError {
    this.#onReject(reason);
    return new StatusError("TooManyRequests", "Too many requests, please try again later.", {
      details: { retryAfterSeconds: 1 },
    });
  }
}
