// A stream of bytes into the simulated hypervisor: what the caller writes is answered by a part of it, until the VM stops.

import { ProviderError } from "../provider-error.ts";
import type { ConsoleStream, ProviderEvent, VmIdentity } from "../provider.ts";
import { isOn, requireRunning } from "./compute.ts";
import type { SimulatedWorld } from "./world.ts";

interface StreamOptions {
  /** For messages: `console`, `screen`. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly onWrite: (bytes: Uint8Array) => void;
}

/** A stream to a running VM of ours. */
export function openStream(world: SimulatedWorld, vm: VmIdentity, options: StreamOptions): SimulatedStream {
  const domain = requireRunning(world, vm, `open the ${options.what} of`);
  const stream = new SimulatedStream(options);
  const onEvent = (event: ProviderEvent): void => {
    if (event.kind === "vm" && event.uid === vm.uid && !isOn(domain)) stream.end();
  };
  world.listeners.add(onEvent);
  stream.onEnd(() => world.listeners.delete(onEvent));
  return stream;
}

export class SimulatedStream implements ConsoleStream {
  readonly #pending: Uint8Array[] = [];
  readonly #ended = new AbortController();
  readonly #options: StreamOptions;
  #wake: () => void = () => {};

  constructor(options: StreamOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.end(), { once: true });
  }

  get output(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  print(bytes: Uint8Array): void {
    this.#pending.push(bytes);
    this.#wake();
  }

  onEnd(act: () => void): void {
    this.#ended.signal.addEventListener("abort", act, { once: true });
  }

  end(): void {
    this.#ended.abort();
    this.#wake();
  }

  write(bytes: Uint8Array): Promise<void> {
    if (this.#ended.signal.aborted) {
      return Promise.reject(new ProviderError("Conflict", `Cannot write to the ${this.#options.what}: it has ended`));
    }
    this.#options.onWrite(bytes);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#pending.shift();
      if (next !== undefined) yield next;
      else if (this.#ended.signal.aborted) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
