// One keep-alive connection that sends bytes made beforehand and reads no more of an answer than where it ends: the load generator must
// cost less than the server. Understands content-length and chunked bodies, which is all that the servers send.

import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";

export interface Address {
  readonly port: number;
  readonly cert: string;
}

export interface Answer {
  readonly status: number;
  readonly bytes: number;
}

const headEnd = Buffer.from("\r\n\r\n");
const chunkedEnd = Buffer.from("\r\n0\r\n\r\n");

export class HttpConnection {
  readonly #socket: TLSSocket;
  #onAnswer: ((answer: Answer) => void) | undefined;
  #onData: ((chunk: Buffer) => void) | undefined;
  #status = 0;
  /** Bytes of the body still to come; -1: the head is not there yet, -2: chunked. */
  #missing = -1;
  #seen = 0;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      if (this.#onData === undefined) this.#read(chunk);
      else this.#onData(chunk);
    });
    socket.on("error", (error) => {
      throw error;
    });
  }

  static async open({ port, cert }: Address): Promise<HttpConnection> {
    const socket = connect({ host: "127.0.0.1", port, ca: cert, servername: "localhost" });
    await once(socket, "secureConnect");
    return new HttpConnection(socket);
  }

  /** One at a time. */
  send(request: Uint8Array): Promise<Answer> {
    return new Promise((resolve) => {
      this.#onAnswer = resolve;
      this.#socket.write(request);
    });
  }

  /** Sends a request whose answer never ends. */
  stream(request: Uint8Array, onData: (chunk: Buffer) => void): void {
    this.#onData = onData;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#seen += chunk.length;
    if (this.#missing === -1) {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      const at = bytes.indexOf(headEnd);
      if (at < 0) {
        this.#rest = bytes;
        return;
      }
      const head = bytes.toString("latin1", 0, at);
      this.#status = Number(head.slice(9, 12));
      const length = /content-length: (\d+)/i.exec(head)?.[1];
      this.#missing = length === undefined ? -2 : Number(length) - (bytes.length - at - headEnd.length);
      this.#rest = bytes;
    } else if (this.#missing >= 0) this.#missing -= chunk.length;
    else this.#rest = Buffer.concat([this.#rest.subarray(-chunkedEnd.length), chunk.subarray(-2 * chunkedEnd.length)]);
    if (this.#missing > 0) return;
    if (this.#missing === -2 && !this.#rest.subarray(-chunkedEnd.length).equals(chunkedEnd)) return;
    const answer = { status: this.#status, bytes: this.#seen };
    this.#missing = -1;
    this.#seen = 0;
    this.#rest = Buffer.alloc(0);
    this.#onAnswer?.(answer);
  }
}
