// Finds a daemon that is silent though its socket is open. Asks only when nothing was heard for a whole interval.

export interface KeepaliveOptions {
  readonly intervalMs: number;
  /** Unanswered pings after which the peer counts as dead. */
  readonly maxMissed: number;
  readonly sendPing: () => void;
  readonly onDead: () => void;
  /** True while we do not read on purpose, and so could not hear an answer. */
  readonly isPaused: () => boolean;
}

export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #timer: NodeJS.Timeout;
  #wasHeard = true;
  #missed = 0;

  constructor(options: KeepaliveOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), options.intervalMs);
    this.#timer.unref();
  }

  /** Something arrived. */
  heard(): void {
    this.#wasHeard = true;
    this.#missed = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    if (this.#wasHeard || this.#options.isPaused()) {
      this.#wasHeard = false;
      return;
    }
    if (this.#missed >= this.#options.maxMissed) {
      this.stop();
      this.#options.onDead();
      return;
    }
    this.#missed++;
    this.#options.sendPing();
  }
}
