// No connection: the daemon could not be reached, or was lost while a call waited. Whether the call took effect is unknown then.

export class LibvirtConnectionError extends Error {
  override readonly name = "LibvirtConnectionError";
}
