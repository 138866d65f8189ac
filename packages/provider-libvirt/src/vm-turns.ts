// One at a time for each VM: what reads a domain's definition and writes it back must not have another do so in between.

export class VmTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(uid: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(uid) ?? Promise.resolve();
    // How the one before ended is not for the next.
    const turn = before.then(act, act);
    this.#last.set(uid, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(uid) === turn) this.#last.delete(uid);
    }
  }
}
