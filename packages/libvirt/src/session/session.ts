// One connection to a daemon, from connected socket to lost.
//
//   call ──► queue ──(fewer than 4 in flight)──► in flight ──► reply
//                                                    └─ given up: keeps its place until the daemon answers
//
// libvirtd serves 5 requests of a client at once. With the fifth it stops reading, our keepalive pings included, and warns in its log:
// so 4 are sent, and the rest waits here, where it can still be given up without having been sent. Whatever ends the connection fails all waiters at once.

import type { Duplex } from "node:stream";
import { LibvirtConnectionError } from "../errors/connection-error.ts";
import { LibvirtProtocolError } from "../errors/protocol-error.ts";
import { FrameReader } from "../framing/frame-reader.ts";
import { encodeHeader, MessageStatus, MessageType } from "../framing/message.ts";
import type { Message, MessageHeader } from "../framing/message.ts";
import { decodeError } from "../protocol/error-payload.ts";
import { Program, programVersion } from "../protocol/procedure.ts";
import type { Lane, Procedure } from "../protocol/procedure.ts";
import { XdrReader } from "../xdr/reader.ts";
import { XdrWriter } from "../xdr/writer.ts";
import type { CallOptions } from "./call-options.ts";
import { Keepalive } from "./keepalive.ts";
import { PendingCall } from "./pending-call.ts";
import { RpcStream } from "./rpc-stream.ts";

export interface SessionOptions {
  readonly address: string;
  readonly defaultTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  /** Calls that the daemon may work on at once; the rest waits here. 4 when absent. */
  readonly maxInFlight?: number;
  /** Events of the daemon: messages that answer nothing. */
  readonly onEvent?: (message: Message) => void;
}

const defaultMaxInFlight = 4;
const keepaliveMaxMissed = 2;
/** Of the default timeout. Copies end with the daemon's work or with the daemon, which keepalive sees. */
const timeoutFactor: Readonly<Record<Lane, number>> = { short: 1, query: 1, slow: 10, copy: 120, agent: 1 };
const keepalivePing = 1;
const keepalivePong = 2;
const noPayload = new Uint8Array(0);

export class Session {
  readonly #socket: Duplex;
  readonly #options: SessionOptions;
  readonly #reader = new FrameReader();
  readonly #queue: PendingCall[] = [];
  readonly #inFlight = new Map<number, PendingCall>();
  readonly #streams = new Map<number, RpcStream>();
  readonly #keepalive: Keepalive;
  readonly #maxInFlight: number;
  readonly #lostListeners: ((error: LibvirtConnectionError) => void)[] = [];
  #serial = 0;
  #isPaused = false;
  #lost: LibvirtConnectionError | undefined;
  #drain: PromiseWithResolvers<void> | undefined;

  constructor(socket: Duplex, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? defaultMaxInFlight;
    this.#keepalive = new Keepalive({
      intervalMs: options.keepaliveIntervalMs,
      maxMissed: keepaliveMaxMissed,
      sendPing: () => this.#sendKeepalive(keepalivePing),
      onDead: () => this.#lose("it did not answer keepalive pings"),
      isPaused: () => this.#isPaused,
    });
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("drain", () => this.#drained());
    socket.on("error", (error: Error) => this.#lose(error.message, error));
    socket.on("end", () => this.#lose("the daemon closed the connection"));
    socket.on("close", () => this.#lose("the connection was closed"));
    // Its dialer may have paused it.
    socket.resume();
  }

  /** Why the connection ended, or undefined while it lives. */
  get lost(): LibvirtConnectionError | undefined {
    return this.#lost;
  }

  /** Called once when the connection ends, however it ends; at once when it already has. */
  onLost(listener: (error: LibvirtConnectionError) => void): void {
    if (this.#lost === undefined) this.#lostListeners.push(listener);
    else listener(this.#lost);
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A, options: CallOptions = {}): Promise<R> {
    const message = await this.#request(procedure, args, options);
    return this.#decode(procedure, message);
  }

  /** Calls a procedure that opens a stream. The stream counts as open once the call was answered. */
  async openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options: CallOptions = {},
  ): Promise<{ stream: RpcStream; ret: R }> {
    let opened: { serial: number; stream: RpcStream } | undefined;
    const onSend = (serial: number): void => {
      const stream = this.#newStream(procedure, serial);
      // Data may arrive with the reply, in one read.
      this.#streams.set(serial, stream);
      opened = { serial, stream };
    };
    try {
      const message = await this.#request(procedure, args, options, onSend);
      if (opened === undefined) throw new LibvirtProtocolError(`${procedure.name}: answered before it was sent`);
      return { stream: opened.stream, ret: this.#decode(procedure, message) };
    } catch (error) {
      if (opened !== undefined) this.#streams.delete(opened.serial);
      throw error;
    }
  }

  /** Ends the connection; waiters fail with `reason`. */
  close(reason = "the client closed the connection"): void {
    this.#lose(reason);
  }

  #request<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options: CallOptions,
    onSend?: (serial: number) => void,
  ): Promise<Message> {
    options.signal?.throwIfAborted();
    if (this.#lost !== undefined) throw this.#lost;
    const writer = new XdrWriter();
    procedure.args.write(writer, args);
    const call = new PendingCall({
      name: procedure.name,
      program: procedure.program,
      procedure: procedure.number,
      payload: writer.bytes(),
      timeoutMs: options.timeoutMs ?? this.#options.defaultTimeoutMs * timeoutFactor[procedure.lane],
      signal: options.signal,
      onAbandon: (abandoned) => this.#abandoned(abandoned),
      ...(onSend === undefined ? {} : { onSend }),
    });
    this.#queue.push(call);
    this.#pump();
    return call.answer;
  }

  #decode<A, R>(procedure: Procedure<A, R>, message: Message): R {
    if (message.status === MessageStatus.ERROR) {
      throw decodeError(message.payload, { procedure: procedure.name, isReply: true });
    }
    return procedure.ret.read(new XdrReader(message.payload));
  }

  #pump(): void {
    while (this.#inFlight.size < this.#maxInFlight) {
      const call = this.#queue.shift();
      if (call === undefined) return;
      const serial = this.#nextSerial();
      this.#inFlight.set(serial, call);
      call.fields.onSend?.(serial);
      this.#write(
        { ...this.#header(call.fields), type: MessageType.CALL, serial, status: MessageStatus.OK },
        call.fields.payload,
      );
    }
  }

  #abandoned(call: PendingCall): void {
    const at = this.#queue.indexOf(call);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    // It never got a place, and all places are held by calls that nobody waits for: this connection does not serve us.
    if ([...this.#inFlight.values()].every((held) => held.isSettled)) {
      this.#lose(`${this.#inFlight.size} calls in flight were never answered`);
    }
  }

  #newStream<A, R>(procedure: Procedure<A, R>, serial: number): RpcStream {
    const header = this.#header({ program: procedure.program, procedure: procedure.number });
    return new RpcStream({
      name: procedure.name,
      stallTimeoutMs: this.#options.defaultTimeoutMs,
      send: (status, bytes) => this.#write({ ...header, type: MessageType.STREAM, serial, status }, bytes),
      sendHole: (payload) =>
        this.#write({ ...header, type: MessageType.STREAM_HOLE, serial, status: MessageStatus.CONTINUE }, payload),
      drained: () => this.#whenDrained(),
      setPaused: (isPaused) => this.#setPaused(isPaused),
      onEnd: () => this.#streams.delete(serial),
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#lost !== undefined) return;
    this.#keepalive.heard();
    try {
      for (const message of this.#reader.push(chunk)) {
        this.#dispatch(message);
        // Handling one message may have ended the connection.
        if (this.#lost !== undefined) return;
      }
    } catch (error) {
      this.#lose(`it does not speak libvirt's protocol: ${(error as Error).message}`, error);
    }
  }

  #dispatch(message: Message): void {
    if (message.program === Program.KEEPALIVE) {
      if (message.procedure === keepalivePing) this.#sendKeepalive(keepalivePong);
      return;
    }
    switch (message.type) {
      case MessageType.REPLY:
        this.#onReply(message);
        return;
      case MessageType.MESSAGE:
        this.#options.onEvent?.(message);
        return;
      case MessageType.STREAM:
        // A stream that we gave up may still have data on the way.
        this.#streams.get(message.serial)?.accept(message);
        return;
      case MessageType.STREAM_HOLE:
        this.#streams.get(message.serial)?.acceptHole(message);
        return;
      default:
        throw new LibvirtProtocolError(`message of type ${message.type}, expected a reply, an event or stream data`);
    }
  }

  #onReply(message: Message): void {
    const call = this.#inFlight.get(message.serial);
    if (call === undefined) {
      throw new LibvirtProtocolError(`reply with serial ${message.serial}, which no call in flight has`);
    }
    const { name, program, procedure } = call.fields;
    if (message.program !== program || message.procedure !== procedure) {
      throw new LibvirtProtocolError(`reply of procedure ${message.procedure} to ${name} (${procedure})`);
    }
    this.#inFlight.delete(message.serial);
    call.resolve(message);
    this.#pump();
  }

  #sendKeepalive(procedure: number): void {
    this.#write(
      {
        program: Program.KEEPALIVE,
        version: programVersion,
        procedure,
        type: MessageType.MESSAGE,
        serial: 0,
        status: MessageStatus.OK,
      },
      noPayload,
    );
  }

  /** False when the socket's buffer is full: wait for `drained` before more. */
  #write(header: MessageHeader, payload: Uint8Array): boolean {
    if (this.#lost !== undefined) return false;
    this.#socket.cork();
    let hasRoom = this.#socket.write(encodeHeader(header, payload.length));
    if (payload.length > 0) hasRoom = this.#socket.write(payload);
    this.#socket.uncork();
    return hasRoom;
  }

  #whenDrained(): Promise<void> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (!this.#socket.writableNeedDrain) return Promise.resolve();
    this.#drain ??= Promise.withResolvers<void>();
    return this.#drain.promise;
  }

  #drained(): void {
    const drain = this.#drain;
    this.#drain = undefined;
    drain?.resolve();
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused || this.#lost !== undefined) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }

  #header(of: { program: number; procedure: number }): { program: number; version: number; procedure: number } {
    return { program: of.program, version: programVersion, procedure: of.procedure };
  }

  #nextSerial(): number {
    do {
      this.#serial = this.#serial >= 0xffffffff ? 1 : this.#serial + 1;
    } while (this.#inFlight.has(this.#serial) || this.#streams.has(this.#serial));
    return this.#serial;
  }

  #lose(reason: string, cause?: unknown): void {
    if (this.#lost !== undefined) return;
    const error = new LibvirtConnectionError(
      `Lost the connection to libvirt at ${this.#options.address}: ${reason}`,
      cause === undefined ? undefined : { cause },
    );
    this.#lost = error;
    this.#keepalive.stop();
    this.#socket.destroy();
    for (const call of [...this.#inFlight.values(), ...this.#queue]) call.reject(error);
    this.#inFlight.clear();
    this.#queue.length = 0;
    for (const stream of this.#streams.values()) stream.fail(error);
    this.#streams.clear();
    this.#drain?.promise.catch(() => {});
    this.#drain?.reject(error);
    for (const listener of this.#lostListeners.splice(0)) listener(error);
  }
}
