// Tells a request that its caller went away. Most requests never ask, so the signal is made when it is first asked for, and a request
// that was answered is not told at all.

export class CallerSignal {
  #controller: AbortController | undefined;
  #isGone = false;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isGone) this.#controller.abort(callerIsGone);
    }
    return this.#controller.signal;
  }

  leave(): void {
    this.#isGone = true;
    this.#controller?.abort(callerIsGone);
  }
}

/** One for all: a stack trace for each client that goes away would tell nothing. */
const callerIsGone = new DOMException("the caller went away", "AbortError");
