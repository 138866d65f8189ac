// Bytes taken in portions of a protocol's choice, whatever the pieces they arrive in.

/** Asks for more when it has too few. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Just so many bytes; undefined when the source ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#held.length < length) {
      const next = await this.#chunks.next();
      if (next.done === true) return undefined;
      this.#held = Buffer.concat([this.#held, next.value]);
    }
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  /** All that was not taken, to the end. */
  async *rest(): AsyncGenerator<Uint8Array, void, undefined> {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    if (held.length > 0) yield held;
    for (let next = await this.#chunks.next(); next.done !== true; next = await this.#chunks.next()) yield next.value;
  }
}

/** Is given what there is. */
export class ByteInbox {
  #held = Buffer.alloc(0);
  #isEnded = false;
  #wake: () => void = () => undefined;

  push(bytes: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, bytes]);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /** Just so many bytes; undefined when it ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#held.length < length) {
      if (this.#isEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#held.subarray(0, length);
    this.#held = this.#held.subarray(length);
    return taken;
  }

  takeAll(): Buffer {
    const taken = this.#held;
    this.#held = Buffer.alloc(0);
    return taken;
  }
}
