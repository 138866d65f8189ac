// What can be wrong with a kubeconfig, as a closed table.

export type KubeconfigErrorCode =
  /** No file at the path, or none of those in KUBECONFIG. */
  | "NotFound"
  /** Not YAML, or not a kubeconfig. */
  | "Malformed"
  /** A context, cluster, user or file that is named is not there. */
  | "Missing"
  /** A way to authenticate that this client does not have (exec, auth-provider). */
  | "Unsupported";

export class KubeconfigError extends Error {
  override readonly name = "KubeconfigError";
  readonly code: KubeconfigErrorCode;

  constructor(code: KubeconfigErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
