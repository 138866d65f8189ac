// A peer for tests of faults, on a real unix socket: it speaks the framing and answers as the test says. Everything that
// a healthy daemon does is tested against libvirtd itself.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FrameReader } from "../framing/frame-reader.ts";
import { encodeMessage, MessageStatus, MessageType } from "../framing/message.ts";
import type { Message } from "../framing/message.ts";
import { errorPayload } from "../protocol/error-payload.ts";
import { Program, programVersion } from "../protocol/procedure.ts";
import type { Procedure } from "../protocol/procedure.ts";
import { unixDialer } from "../transport/unix-dialer.ts";
import type { Dialer } from "../transport/dialer.ts";
import { XdrWriter } from "../xdr/writer.ts";
import type { Codec } from "../xdr/codec.ts";

type OnMessage = (message: Message, peer: FakePeer) => void;

/** One client's connection, seen from the daemon. */
export class FakePeer {
  readonly #socket: Socket;
  readonly received: Message[] = [];
  /** Resolves when the client's side is gone. */
  readonly closed: Promise<void>;

  constructor(socket: Socket, onMessage: OnMessage) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => {
      socket.on("close", () => resolve());
    });
    socket.on("data", (chunk) => {
      for (const message of reader.push(chunk)) {
        this.received.push(message);
        onMessage(message, this);
      }
    });
  }

  /** What was sent and the client has not read. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  reply<A, R>(call: Message, procedure: Procedure<A, R>, ret: R): void {
    this.raw(replyFrame(call, encode(procedure.ret, ret)));
  }

  replyError(call: Message, code: number, domain: number, message: string): void {
    const nothing = {
      dom: undefined,
      str1: undefined,
      str2: undefined,
      str3: undefined,
      int1: -1,
      int2: -1,
      net: undefined,
    };
    const payload = encode(errorPayload, { code, domain, message, level: 2, ...nothing });
    this.raw(encodeMessage({ ...call, type: MessageType.REPLY, status: MessageStatus.ERROR }, payload));
  }

  stream(call: Message, status: number, payload: Uint8Array): void {
    this.raw(encodeMessage({ ...call, type: MessageType.STREAM, status }, payload));
  }

  event(procedure: number, payload: Uint8Array): void {
    const header = { program: Program.REMOTE, version: programVersion, procedure, serial: 0 };
    this.raw(encodeMessage({ ...header, type: MessageType.MESSAGE, status: MessageStatus.OK }, payload));
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends the bytes, then closes. */
  end(bytes: Uint8Array): void {
    this.#socket.end(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }
}

export class FakeDaemon implements AsyncDisposable {
  readonly dialer: Dialer;
  readonly peers: FakePeer[] = [];
  readonly #folder: string;
  readonly #path: string;
  readonly #onMessage: OnMessage;
  #server: Server | undefined;
  #peerWaiters: (() => void)[] = [];

  private constructor(folder: string, onMessage: OnMessage) {
    this.#folder = folder;
    this.#path = join(folder, "sock");
    this.#onMessage = onMessage;
    this.dialer = unixDialer(this.#path);
  }

  static async start(onMessage: OnMessage): Promise<FakeDaemon> {
    const daemon = new FakeDaemon(await mkdtemp(join(tmpdir(), "vivarium-libvirt-")), onMessage);
    await daemon.listen();
    return daemon;
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.peers.push(new FakePeer(socket, this.#onMessage));
      for (const wake of this.#peerWaiters.splice(0)) wake();
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#path, resolve));
  }

  /** The connection of this number, from 0, when it has come. */
  async peer(index: number): Promise<FakePeer> {
    for (;;) {
      const found = this.peers[index];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#peerWaiters.push(resolve);
      });
    }
  }

  /** As a daemon that dies: closes every connection and takes no new one. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const peer of this.peers) peer.destroy();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter();
  codec.write(writer, value);
  return Buffer.from(writer.bytes());
}

export function replyFrame(call: Message, payload: Uint8Array): Buffer {
  return encodeMessage({ ...call, type: MessageType.REPLY, status: MessageStatus.OK }, payload);
}
