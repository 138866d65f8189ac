// A connection URI that cannot be used, found before anything is dialled.

export type LibvirtUriErrorReason = "InvalidUri" | "UnsupportedTransport" | "UnsupportedDriver";

export class LibvirtUriError extends Error {
  override readonly name = "LibvirtUriError";
  readonly reason: LibvirtUriErrorReason;
  readonly uri: string;

  constructor(reason: LibvirtUriErrorReason, uri: string, message: string) {
    super(message);
    this.reason = reason;
    this.uri = uri;
  }
}
