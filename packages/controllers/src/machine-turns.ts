// Two controllers act on one machine, never at once: its own, and the one that moves it. While VirtualMachine.status.moving is there the
// machine is the mover's; this is for the moment in which that is written, and for the one in which the machine is given back.

import type { ReconcileRequest } from "@vivarium/runtime";
import { Turns } from "./turns.ts";

export class MachineTurns {
  readonly #turns = new Turns();
  readonly #listeners = new Set<(request: ReconcileRequest) => void>();

  /** `uid` of the VirtualMachine. */
  run<T>(uid: string, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(uid, work);
  }

  /** Its own controller is to look at it again: a status alone wakes nobody. */
  giveBack(request: ReconcileRequest): void {
    for (const listener of this.#listeners) listener(request);
  }

  onGivenBack(listener: (request: ReconcileRequest) => void, { signal }: { readonly signal: AbortSignal }): void {
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => void this.#listeners.delete(listener), { once: true });
  }
}
