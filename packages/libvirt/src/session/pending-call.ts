// One call from the moment it is made to its answer: queued, sent, settled. Settles once; what comes later is ignored.

import { LibvirtTimeoutError } from "../errors/timeout-error.ts";
import type { Message } from "../framing/message.ts";

export interface PendingCallFields {
  readonly name: string;
  readonly program: number;
  readonly procedure: number;
  readonly payload: Uint8Array;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Called when our side gives up before the answer. */
  readonly onAbandon: (call: PendingCall) => void;
  /** Called with the serial just before the call is written. */
  readonly onSend?: (serial: number) => void;
}

export class PendingCall {
  readonly fields: PendingCallFields;
  readonly answer: Promise<Message>;
  #settle: { resolve(message: Message): void; reject(error: unknown): void } | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(fields: PendingCallFields) {
    this.fields = fields;
    this.answer = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#timer = setTimeout(
      () => this.#abandon(new LibvirtTimeoutError(fields.name, fields.timeoutMs)),
      fields.timeoutMs,
    );
    fields.signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** True when nobody waits for the answer any more. */
  get isSettled(): boolean {
    return this.#settle === undefined;
  }

  resolve(message: Message): void {
    this.#end()?.resolve(message);
  }

  reject(error: unknown): void {
    this.#end()?.reject(error);
  }

  readonly #onAbort = (): void => this.#abandon(this.fields.signal?.reason);

  #abandon(error: unknown): void {
    if (this.isSettled) return;
    this.reject(error);
    this.fields.onAbandon(this);
  }

  #end(): { resolve(message: Message): void; reject(error: unknown): void } | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    clearTimeout(this.#timer);
    this.fields.signal?.removeEventListener("abort", this.#onAbort);
    return settle;
  }
}
