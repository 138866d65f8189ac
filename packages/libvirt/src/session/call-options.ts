// What every call takes last.

export interface CallOptions {
  /** Ends the wait with the signal's reason. The daemon may still carry the call out. */
  readonly signal?: AbortSignal;
  /** Longest wait, from now to the answer. The default is the connection's; ten times that for calls that work long. */
  readonly timeoutMs?: number;
}

/** Most calls take flags; 0 when absent. */
export interface FlagOptions extends CallOptions {
  readonly flags?: number;
}
