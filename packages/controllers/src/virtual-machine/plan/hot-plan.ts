// Devices of a VM that runs: what the plans of disks and of interfaces share. A step that failed waits its time, a guest that was asked to
// let go of a device is asked again once a minute, and nothing here ever disturbs the VM itself.

/** What this process remembers of the devices of one kind. */
export interface HotMemory {
  /** When the guest was asked to let go of a device. */
  readonly detachAskedAtMs: ReadonlyMap<string, number>;
  /** Steps that failed, by key, and when they are tried again. */
  readonly retryAtMs: ReadonlyMap<string, number>;
}

/** Nothing can be done now; time alone may change that. */
export interface HotWait {
  readonly kind: "wait";
  readonly lookAgainAtMs?: number;
}

/** A guest that lets go does so within a second or two; later it must be helped. */
export const detachDeadlineMs = 30_000;
const askAgainMs = 60_000;

/** One look at the devices: which steps must wait, and until when. */
export class HotTurn {
  readonly #input: HotMemory & { readonly nowMs: number; readonly done: ReadonlySet<string> };
  readonly #timesMs: number[] = [];

  constructor(input: HotMemory & { readonly nowMs: number; readonly done: ReadonlySet<string> }) {
    this.#input = input;
  }

  /** Done in this look, or failed a moment ago. */
  isHeld(key: string): boolean {
    const { done, retryAtMs, nowMs } = this.#input;
    if (done.has(key)) return true;
    const atMs = retryAtMs.get(key);
    if (atMs === undefined || atMs <= nowMs) return false;
    this.#timesMs.push(atMs);
    return true;
  }

  /** Whether the guest is to be asked to let go of the device now. `key`: of the step that asks. */
  isDetachDue(device: string, key: string): boolean {
    const { detachAskedAtMs, nowMs } = this.#input;
    const askedAtMs = detachAskedAtMs.get(device);
    // Asked for by an earlier look: again once a minute, for as long as it takes.
    if (!this.isHeld(key) && (askedAtMs === undefined || nowMs - askedAtMs >= askAgainMs)) return true;
    if (askedAtMs !== undefined) this.#timesMs.push(askedAtMs + detachDeadlineMs, nowMs + askAgainMs);
    return false;
  }

  wait(): HotWait {
    const later = this.#timesMs.filter((ms) => ms > this.#input.nowMs);
    return { kind: "wait", ...(later.length === 0 ? {} : { lookAgainAtMs: Math.min(...later) }) };
  }
}
