// Keys by the time they are due, the earliest first: a binary heap.

export interface Due {
  readonly key: string;
  readonly atMs: number;
}

export class DueHeap {
  readonly #items: Due[] = [];

  peek(): Due | undefined {
    return this.#items[0];
  }

  push(due: Due): void {
    const items = this.#items;
    let index = items.length;
    items.push(due);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at(parent) <= due.atMs) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  pop(): Due | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    items[0] = last;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(smaller) >= last.atMs) return first;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #at(index: number): number {
    return this.#items[index]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const items = this.#items;
    const first = items[a];
    const second = items[b];
    if (first === undefined || second === undefined) return;
    items[a] = second;
    items[b] = first;
  }
}
