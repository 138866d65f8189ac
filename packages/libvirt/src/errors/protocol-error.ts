// The peer sent bytes that are not libvirt's protocol. The connection cannot be used any further.

export class LibvirtProtocolError extends Error {
  override readonly name = "LibvirtProtocolError";
}
