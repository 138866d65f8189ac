// The data phase of a call that moves bytes: uploads, downloads, consoles.
//
//   open ──write*──► finish ──OK──► done          (upload)
//   open ──chunk*──► end of data ──► finish ──► done   (download; a console does both)
//   open ──error of the daemon, abort, loss──► failed
//
// Received data is held up to a limit; past it the socket is not read until the reader has caught up.

import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import { MessageStatus } from "../framing/message.ts";
import type { Message } from "../framing/message.ts";
import { decodeError } from "../protocol/error-payload.ts";
import { hyper, struct, uint } from "../xdr/codec.ts";
import { XdrReader } from "../xdr/reader.ts";
import { XdrWriter } from "../xdr/writer.ts";

/** A part of a sparse stream: bytes, or a run of zeros that is not sent. */
export type StreamPart = Uint8Array | StreamHole;

export interface StreamHole {
  readonly holeBytes: number;
}

export interface RpcStreamPort {
  readonly name: string;
  /** Longest time without any progress, where progress is expected of the daemon. */
  readonly stallTimeoutMs: number;
  /** False when more should wait for `drained`. */
  send(status: number, bytes: Uint8Array): boolean;
  sendHole(payload: Uint8Array): boolean;
  drained(): Promise<void>;
  setPaused(isPaused: boolean): void;
  onEnd(): void;
}

export interface StreamWaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Infinity waits for ever, as a console does. */
  readonly timeoutMs?: number | undefined;
}

const streamHole = struct<{ lengthBytes: number; flags: number }>({ lengthBytes: hyper, flags: uint });
const highWaterBytes = 1024 * 1024;
const holeCostBytes = 64;
const noBytes = new Uint8Array(0);

export class RpcStream {
  readonly #port: RpcStreamPort;
  readonly #chunks: (Buffer | StreamHole)[] = [];
  #heldBytes = 0;
  #isAtEnd = false;
  #isConfirmed = false;
  #error: unknown;
  #isOver = false;
  readonly #failure = Promise.withResolvers<never>();
  /** Wakes whoever waits for the next chunk, the confirmation or a failure. */
  #changed = Promise.withResolvers<void>();

  constructor(port: RpcStreamPort) {
    this.#port = port;
    this.#failure.promise.catch(() => {});
  }

  /** Rejects when the stream fails, for who waits for something else meanwhile. Never resolves. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** For the session: a message of this stream arrived. */
  accept(message: Message): void {
    switch (message.status) {
      case MessageStatus.CONTINUE:
        if (message.payload.length === 0) this.#isAtEnd = true;
        else this.#hold(message.payload);
        break;
      case MessageStatus.OK:
        this.#isAtEnd = true;
        this.#isConfirmed = true;
        break;
      case MessageStatus.ERROR:
        this.fail(decodeError(message.payload, { procedure: this.#port.name, isReply: false }));
        return;
      default:
        throw new LibvirtProtocolError(`stream message with status ${message.status}`);
    }
    this.#wake();
  }

  /** For the session: the daemon leaves out zeros. Only a stream that was opened for it has holes. */
  acceptHole(message: Message): void {
    const { lengthBytes } = streamHole.read(new XdrReader(message.payload));
    if (lengthBytes < 0) throw new LibvirtProtocolError(`stream hole of ${lengthBytes} bytes`);
    if (lengthBytes > 0) this.#hold({ holeBytes: lengthBytes });
    this.#wake();
  }

  /** For the session: nothing more will come. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#error = error;
    this.#failure.reject(error);
    this.#over();
  }

  /** The next chunk, or undefined at the end of data. */
  async read(options: StreamWaitOptions = {}): Promise<Uint8Array | undefined> {
    const part = await this.readPart(options);
    if (part === undefined || part instanceof Uint8Array) return part;
    throw new LibvirtProtocolError(`${this.#port.name}: a hole in a stream that is not sparse`);
  }

  /** The next part of a sparse stream, or undefined at the end of data. */
  async readPart(options: StreamWaitOptions = {}): Promise<StreamPart | undefined> {
    await this.#until(() => this.#chunks.length > 0 || this.#isAtEnd, options);
    const part = this.#chunks.shift();
    if (part !== undefined) {
      this.#heldBytes -= costOf(part);
      if (this.#heldBytes < highWaterBytes / 2) this.#port.setPaused(false);
    }
    return part;
  }

  /** Sends one message of data and waits until the socket has room again. */
  async write(bytes: Uint8Array, options: StreamWaitOptions = {}): Promise<void> {
    await this.#write(() => this.#port.send(MessageStatus.CONTINUE, bytes), options);
  }

  /** Says that as many zeros come next. For a stream that was opened as sparse. */
  async writeHole(lengthBytes: number, options: StreamWaitOptions = {}): Promise<void> {
    const writer = new XdrWriter();
    streamHole.write(writer, { lengthBytes, flags: 0 });
    await this.#write(() => this.#port.sendHole(writer.bytes()), options);
  }

  async #write(send: () => boolean, options: StreamWaitOptions): Promise<void> {
    this.#throwIfFailed();
    options.signal?.throwIfAborted();
    if (this.#isOver) throw new LibvirtProtocolError(`${this.#port.name}: written to after its end`);
    if (send()) return;
    let hasRoom = false;
    void this.#wakeWhenDrained(() => {
      hasRoom = true;
    });
    await this.#until(() => hasRoom, options);
  }

  /** Says that no more data comes and waits until the daemon has confirmed that all of it was taken. */
  async finish(options: StreamWaitOptions = {}): Promise<void> {
    this.#throwIfFailed();
    if (this.#isOver) return;
    this.#port.send(MessageStatus.OK, noBytes);
    this.#dropHeld();
    await this.#until(() => this.#isConfirmed, options);
    this.#over();
  }

  /** Gives the stream up; the daemon drops what it has not written. Idempotent. */
  abort(reason: unknown): void {
    if (this.#isOver) return;
    this.#port.send(MessageStatus.ERROR, noBytes);
    this.fail(reason);
  }

  async #wakeWhenDrained(onRoom: () => void): Promise<void> {
    try {
      await this.#port.drained();
      onRoom();
      this.#wake();
    } catch (error) {
      this.fail(error);
    }
  }

  #hold(part: Buffer | StreamHole): void {
    this.#chunks.push(part);
    this.#heldBytes += costOf(part);
    if (this.#heldBytes >= highWaterBytes) this.#port.setPaused(true);
  }

  #dropHeld(): void {
    this.#chunks.length = 0;
    this.#heldBytes = 0;
    this.#port.setPaused(false);
  }

  #over(): void {
    this.#isOver = true;
    this.#port.setPaused(false);
    this.#port.onEnd();
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  #throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error as Error;
  }

  async #until(isReached: () => boolean, options: StreamWaitOptions): Promise<void> {
    const timeoutMs = options.timeoutMs ?? this.#port.stallTimeoutMs;
    const { signal } = options;
    while (!isReached()) {
      this.#throwIfFailed();
      signal?.throwIfAborted();
      await this.#nextChange(timeoutMs, signal);
    }
  }

  /** Resolves on any change, on abort too; rejects when nothing changes for too long. */
  #nextChange(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onChange);
      };
      const onChange = (): void => {
        end();
        resolve();
      };
      const onTimeout = (): void => {
        end();
        reject(new LibvirtTimeoutError(this.#port.name, timeoutMs, { detail: "the stream stalled" }));
      };
      const timer = Number.isFinite(timeoutMs) ? setTimeout(onTimeout, timeoutMs) : undefined;
      signal?.addEventListener("abort", onChange, { once: true });
      void this.#changed.promise.then(onChange);
    });
  }
}

/** Bytes of memory; a hole is not free either. */
function costOf(part: StreamPart): number {
  return part instanceof Uint8Array ? part.length : holeCostBytes;
}
