// One libvirt console for many readers: libvirt lets a single client attach, the contract several. The console is opened for the first
// reader and closed after the last.
//
//   libvirt console ──► pump ──► queue of each reader        writes of all readers ──► libvirt console

import type { DomainConsole } from "@vivarium/libvirt";
import { ProviderError } from "@vivarium/provider";
import type { ConsoleStream } from "@vivarium/provider";

/** What a reader that does not read may hold up; beyond it loses the oldest. */
const queueLimitBytes = 1024 * 1024;

export class SharedConsole {
  readonly #console: DomainConsole;
  readonly #readers = new Set<Reader>();
  readonly #onEnd: () => void;
  #isEnded = false;

  constructor(console: DomainConsole, onEnd: () => void) {
    this.#console = console;
    this.#onEnd = onEnd;
    void this.#pump();
  }

  /** Undefined when the console has ended meanwhile. */
  attach(signal: AbortSignal): ConsoleStream | undefined {
    if (this.#isEnded) return undefined;
    const reader = new Reader();
    this.#readers.add(reader);
    const leave = (): void => {
      signal.removeEventListener("abort", leave);
      reader.end();
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#close();
    };
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    return {
      output: reader,
      write: async (bytes) => {
        if (this.#isEnded || reader.isEnded) {
          throw new ProviderError("Conflict", "Cannot write to the console: it has ended");
        }
        await this.#console.write(bytes);
      },
      close() {
        leave();
        return Promise.resolve();
      },
    };
  }

  async #pump(): Promise<void> {
    let failure: unknown;
    try {
      for await (const chunk of this.#console.output) {
        for (const reader of this.#readers) reader.push(chunk);
      }
    } catch (error) {
      failure = error;
    }
    this.#close();
    for (const reader of this.#readers) reader.end(failure);
    this.#readers.clear();
  }

  #close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#onEnd();
    void this.#console.close();
  }
}

class Reader implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #failure: unknown;
  #wake = Promise.withResolvers<void>();
  isEnded = false;

  push(chunk: Uint8Array): void {
    if (this.isEnded) return;
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    while (this.#heldBytes > queueLimitBytes) this.#heldBytes -= this.#chunks.shift()?.length ?? 0;
    this.#wake.resolve();
  }

  end(failure?: unknown): void {
    this.isEnded = true;
    this.#failure ??= failure;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#heldBytes -= chunk.length;
        yield chunk;
      } else if (this.isEnded) {
        if (this.#failure !== undefined) throw this.#failure as Error;
        return;
      } else {
        this.#wake = Promise.withResolvers<void>();
        await this.#wake.promise;
      }
    }
  }
}
