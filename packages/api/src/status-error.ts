// The API's errors as one closed table: HTTP code and reason as Kubernetes has them
// (https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#response-status-kind).

/** One cause inside a Status: which field, what was found, what is wanted. */
export interface StatusCause {
  reason:
    | "FieldValueNotFound"
    | "FieldValueRequired"
    | "FieldValueDuplicate"
    | "FieldValueInvalid"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueTooLong"
    | "FieldValueTooMany"
    | "FieldValueTypeInvalid"
    | "FieldManagerConflict"
    | "ResourceVersionTooLarge";
  /** Path of the field, for example `spec.cpu` or `spec.disks[0].name`. */
  field: string;
  message: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** metav1.Status, the body of every failed request. */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  /** `continue`: with which a list can go on although its revision is gone. */
  metadata: { continue?: string };
  status: "Success" | "Failure";
  message?: string;
  reason?: StatusReason;
  details?: StatusDetails;
  code: number;
}

const codeOf = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  Timeout: 504,
  InsufficientStorage: 507,
} as const;

export type StatusReason = keyof typeof codeOf;

/** An error that the API server answers with, and that a client throws. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly reason: StatusReason;
  /** The HTTP status code; follows from the reason. */
  readonly code: number;
  readonly details: StatusDetails;
  /** Of an expired list: with which it can go on, no longer consistent. */
  readonly continue: string | undefined;

  constructor(
    reason: StatusReason,
    message: string,
    options: { details?: StatusDetails; cause?: unknown; continue?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.code = codeOf[reason];
    this.details = options.details ?? {};
    this.continue = options.continue;
  }

  toStatus(): Status {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: { ...(this.continue !== undefined && { continue: this.continue }) },
      status: "Failure",
      message: this.message,
      reason: this.reason,
      details: this.details,
      code: this.code,
    };
  }

  /** Reads a Status body back into an error; an unknown reason falls back to the HTTP code. */
  static fromStatus(status: Partial<Status>): StatusError {
    const reason =
      status.reason !== undefined && status.reason in codeOf ? status.reason : reasonOfCode(status.code ?? 500);
    return new StatusError(reason, status.message ?? reason, {
      details: status.details ?? {},
      ...(status.metadata?.continue !== undefined && { continue: status.metadata.continue }),
    });
  }
}

function reasonOfCode(code: number): StatusReason {
  const found = Object.entries(codeOf).find(([, value]) => value === code);
  return (found?.[0] as StatusReason | undefined) ?? "InternalError";
}

/** True when `error` is a StatusError of one of these reasons. */
export function isStatus(error: unknown, ...reasons: readonly StatusReason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.reason);
}
