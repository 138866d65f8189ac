// The serial console of the simulated hypervisor: prints the log so far, echoes what is written, ends with the VM.

import { ProviderError } from "../provider-error.ts";
import type { ConsoleRole, ConsoleStream, ProviderEvent } from "../provider.ts";
import { isOn } from "./compute.ts";
import type { SimulatedParts } from "./compute.ts";

export function simulatedConsole({ world, gate }: Pick<SimulatedParts, "world" | "gate">): ConsoleRole {
  return {
    open: (vm, options) =>
      gate.run("console.open", {
        subject: vm.uid,
        options,
        act() {
          const domain = world.domains.get(vm.uid);
          if (domain === undefined)
            throw new ProviderError("NotFound", `Cannot open the console of VM "${vm.name}": it has no domain`);
          if (!isOn(domain)) {
            throw new ProviderError(
              "Conflict",
              `Cannot open the console of VM "${vm.name}": it is "${domain.power}", expected "running"`,
            );
          }
          const stream = new EchoConsole(options.signal);
          const onEvent = (event: ProviderEvent): void => {
            if (event.kind === "vm" && event.uid === vm.uid && !isOn(domain)) stream.end();
          };
          world.listeners.add(onEvent);
          stream.onEnd(() => world.listeners.delete(onEvent));
          stream.print(new TextEncoder().encode(domain.serialLog));
          return stream;
        },
      }),
    readLog: (vm, options) =>
      gate.run("console.readLog", {
        subject: vm.uid,
        options,
        act() {
          const bytes = new TextEncoder().encode(world.domains.get(vm.uid)?.serialLog ?? "");
          return options?.tailBytes === undefined
            ? bytes
            : bytes.subarray(Math.max(0, bytes.length - options.tailBytes));
        },
      }),
  };
}

class EchoConsole implements ConsoleStream {
  readonly #pending: Uint8Array[] = [];
  readonly #ended = new AbortController();
  #wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    signal.addEventListener("abort", () => this.end(), { once: true });
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
      return Promise.reject(new ProviderError("Conflict", "Cannot write to the console: it has ended"));
    }
    this.print(bytes);
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
