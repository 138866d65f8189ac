// A deadline passed on our side. The daemon may still carry the call out.

export class LibvirtTimeoutError extends Error {
  override readonly name = "LibvirtTimeoutError";
  /** What was waited for, for example `domainCreateWithFlags`. */
  readonly operation: string;
  readonly timeoutMs: number;

  constructor(
    operation: string,
    timeoutMs: number,
    options: { readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    const detail = options.detail === undefined ? "" : ` (${options.detail})`;
    super(
      `${operation}: no answer from libvirt within ${timeoutMs} ms${detail}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.operation = operation;
    this.timeoutMs = timeoutMs;
  }
}
