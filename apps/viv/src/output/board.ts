// What is going on, a line per thing: redrawn in place on a terminal; elsewhere a time-stamped line when something changed, at most so
// often per thing that a log of a long download stays readable.

import { keepBelow } from "./print.ts";
import { isAnimated, styled } from "./style.ts";

export interface Board extends Disposable {
  /** Sets the line of one thing. `important` lines are never held back elsewhere than on a terminal. */
  set(key: string, text: string, options?: { readonly important?: boolean }): void;
  remove(key: string): void;
  /** A line that stays. */
  log(text: string): void;
}

/** Elsewhere than on a terminal, the unimportant changes of one thing are shown this far apart. */
const plainIntervalMs = 10_000;
const redrawMs = 100;

export function openBoard(stream: NodeJS.WriteStream = process.stderr): Board {
  return isAnimated(stream) ? new LiveBoard(stream) : new PlainBoard((line) => stream.write(`${line}\n`));
}

export class LiveBoard implements Board {
  readonly #stream: NodeJS.WriteStream;
  readonly #lines = new Map<string, string>();
  readonly #startedAt = Date.now();
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;
  #frame = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#timer = setInterval(() => this.#draw(), redrawMs);
    this.#timer.unref();
    stream.write("\u001B[?25l");
    keepBelow({ hide: () => this.#clear(), show: () => this.#draw() });
  }

  set(key: string, text: string): void {
    this.#lines.set(key, text);
  }

  remove(key: string): void {
    this.#lines.delete(key);
  }

  log(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
    this.#draw();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    keepBelow(undefined);
    this.#clear();
    this.#stream.write("\u001B[?25h");
  }

  #clear(): void {
    if (this.#drawn > 0) this.#stream.write(`\u001B[${this.#drawn}A\u001B[J`);
    this.#drawn = 0;
  }

  #draw(): void {
    this.#clear();
    const frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
    const mark = styled("cyan", frames[this.#frame++ % frames.length] ?? "", this.#stream);
    const seconds = `${Math.round((Date.now() - this.#startedAt) / 1_000)}s`;
    const width = Math.max(20, (this.#stream.columns || 80) - 1);
    for (const [key, text] of this.#lines) {
      const line = `${key}: ${text} (${seconds})`;
      this.#stream.write(`${mark} ${line.length > width - 2 ? `${line.slice(0, width - 3)}…` : line}\n`);
      this.#drawn++;
    }
  }
}

export class PlainBoard implements Board {
  readonly #write: (line: string) => void;
  readonly #now: () => Date;
  readonly #shown = new Map<string, { text: string; atMs: number }>();
  readonly #heldBack = new Map<string, NodeJS.Timeout>();

  constructor(write: (line: string) => void, now: () => Date = () => new Date()) {
    this.#write = write;
    this.#now = now;
  }

  set(key: string, text: string, options: { readonly important?: boolean } = {}): void {
    const shown = this.#shown.get(key);
    const nowMs = this.#now().getTime();
    this.#letGo(key);
    if (shown?.text === text) return;
    const waitMs = shown === undefined || options.important === true ? 0 : shown.atMs + plainIntervalMs - nowMs;
    if (waitMs > 0) {
      // It may be the last for long, and say why nothing goes on.
      this.#heldBack.set(key, setTimeout(() => this.set(key, text, { important: true }), waitMs).unref());
      return;
    }
    this.#shown.set(key, { text, atMs: nowMs });
    this.log(`${key}: ${text}`);
  }

  remove(key: string): void {
    this.#letGo(key);
    this.#shown.delete(key);
  }

  #letGo(key: string): void {
    clearTimeout(this.#heldBack.get(key));
    this.#heldBack.delete(key);
  }

  log(text: string): void {
    this.#write(`${this.#now().toISOString().slice(11, 19)} ${text}`);
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#heldBack.keys()]) this.#letGo(key);
    this.#shown.clear();
  }
}
