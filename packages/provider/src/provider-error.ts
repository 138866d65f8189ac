// What can go wrong at a hypervisor, as a closed table. Whether to try again follows from the code.

const isRetryable = {
  NotFound: false,
  AlreadyExists: false,
  InvalidSpec: false,
  Unsupported: false,
  Conflict: false,
  /** A pool is full: tried again, for somebody may make room. */
  NoSpace: true,
  Unavailable: true,
  Unauthorized: false,
  Timeout: true,
  Internal: true,
} as const;

export type ProviderErrorCode = keyof typeof isRetryable;

export class ProviderError extends Error {
  override readonly name = "ProviderError";
  readonly code: ProviderErrorCode;

  /** `message` names the action, the state found and the state wanted. */
  constructor(code: ProviderErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }

  /** False: nothing changes until the user, or the host's owner, changes something. */
  get retryable(): boolean {
    return isRetryable[this.code];
  }
}

export function isProviderError(error: unknown, ...codes: readonly ProviderErrorCode[]): error is ProviderError {
  return error instanceof ProviderError && (codes.length === 0 || codes.includes(error.code));
}
