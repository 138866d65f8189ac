// An open console: bytes both ways until the domain stops or we leave.

import type { OpenedStream } from "./caller.ts";
import { streamChunkBytes } from "./stream-transfer.ts";

export class DomainConsole {
  /** What the guest prints, from now on. To be read by one reader; ends when the domain stops or the console is closed. */
  readonly output: AsyncIterable<Uint8Array>;
  readonly #opened: OpenedStream<unknown>;
  readonly #signal: AbortSignal | undefined;
  #isClosed = false;

  constructor(opened: OpenedStream<unknown>, signal: AbortSignal | undefined) {
    this.#opened = opened;
    this.#signal = signal;
    this.output = this.#read();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted === true) this.#end(signal.reason);
  }

  /** Types into the console. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += streamChunkBytes) {
      await this.#opened.stream.write(bytes.subarray(at, at + streamChunkBytes));
    }
  }

  /** Detaches. The domain goes on. Idempotent. */
  close(): Promise<void> {
    this.#end(new Error("The console was closed"));
    return Promise.resolve();
  }

  readonly #onAbort = (): void => this.#end(this.#signal?.reason);

  #end(reason: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#opened.stream.abort(reason);
    this.#opened.release(false);
  }

  async *#read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = await this.#opened.stream.read({ timeoutMs: Number.POSITIVE_INFINITY });
        if (chunk === undefined) return;
        yield chunk;
      }
    } catch (error) {
      // To leave by our own will, signal included, is an end and no failure.
      if (!this.#isClosed) throw error;
    } finally {
      this.#end(new Error("The console ended"));
    }
  }
}
