// The last so many of something, in memory that does not grow.

export class History<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#limit;
  }

  /** Oldest first; only so many of the newest where `count` is given. */
  last(count: number = this.#limit): readonly T[] {
    const from = this.#items.length < this.#limit ? 0 : this.#next;
    const ordered = [...this.#items.slice(from), ...this.#items.slice(0, from)];
    return ordered.slice(Math.max(0, ordered.length - count));
  }
}
