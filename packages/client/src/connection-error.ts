// No answer from the server, as a closed table: each code comes with what to do about it.

const adviceOf = {
  /** Nothing listens there. */
  Refused: 'Start the server ("viv server"), or point KUBECONFIG at the one that runs.',
  NotResolved: "Check the server's name in the kubeconfig.",
  Unreachable: "Check the network between this machine and the server.",
  /** The certificate is not trusted, has expired or is for another name. */
  Untrusted:
    "The kubeconfig is for another server, or older than its certificate: use the kubeconfig that the server wrote.",
  Timeout: "Try again; if it stays so, look at the server's log.",
  /** The connection broke after it was made. */
  Broken: "Try again; if it stays so, look at the server's log.",
  /** What answers does not speak the API. */
  Protocol: "Check that the address in the kubeconfig is the API server's.",
  /** This transport has no socket for it. */
  Unsupported: "Use a client made from a kubeconfig.",
} as const;

export type ConnectionErrorCode = keyof typeof adviceOf;

export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: ConnectionErrorCode;

  /** `what` names the action and the state found; what to do is added from the code. */
  constructor(code: ConnectionErrorCode, what: string, options: { cause?: unknown } = {}) {
    super(`${what}. ${adviceOf[code]}`, options);
    this.code = code;
  }

  /** What to do about it. */
  get advice(): string {
    return adviceOf[this.code];
  }
}

const codeOfSystemError: Readonly<Record<string, ConnectionErrorCode>> = {
  ECONNREFUSED: "Refused",
  ENOENT: "Refused",
  ENOTFOUND: "NotResolved",
  EAI_AGAIN: "NotResolved",
  EHOSTUNREACH: "Unreachable",
  ENETUNREACH: "Unreachable",
  EHOSTDOWN: "Unreachable",
  ETIMEDOUT: "Timeout",
  ECONNRESET: "Broken",
  EPIPE: "Broken",
  ECONNABORTED: "Broken",
  DEPTH_ZERO_SELF_SIGNED_CERT: "Untrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "Untrusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "Untrusted",
  UNABLE_TO_GET_ISSUER_CERT: "Untrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "Untrusted",
  CERT_HAS_EXPIRED: "Untrusted",
  CERT_NOT_YET_VALID: "Untrusted",
  CERT_SIGNATURE_FAILURE: "Untrusted",
  ERR_TLS_CERT_ALTNAME_INVALID: "Untrusted",
  EPROTO: "Protocol",
};

const sentenceOf: Readonly<Record<ConnectionErrorCode, string>> = {
  Refused: "nothing listens there",
  NotResolved: "its name is not known",
  Unreachable: "it cannot be reached",
  Untrusted: "its certificate is not trusted",
  Timeout: "it did not answer in time",
  Broken: "the connection broke",
  Protocol: "what answered does not speak HTTP",
  Unsupported: "this is not possible here",
};

/** Turns an error of Node's sockets, TLS or HTTP into ours, by its code. */
export function connectionError(action: string, cause: unknown): ConnectionError {
  const systemCode = systemCodeOf(cause);
  const code = systemCode.startsWith("HPE_") ? "Protocol" : (codeOfSystemError[systemCode] ?? "Broken");
  const detail = cause instanceof Error && cause.message !== "" ? ` (${cause.message})` : "";
  return new ConnectionError(code, `Cannot ${action}: ${sentenceOf[code]}${detail}`, { cause });
}

function systemCodeOf(error: unknown): string {
  if (error instanceof AggregateError) return systemCodeOf(error.errors[0]);
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return "";
}
